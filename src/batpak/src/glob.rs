//! Globs of `*` (any bytes, `/` too) and `?` (any one byte).

/// Whether a glob matches a whole name.
#[must_use]
pub fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from, mut star, mut resume) = (0, 0, None, 0);
    while from < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some(at);
                resume = from;
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || name.get(from) == Some(wanted) => {
                at += 1;
                from += 1;
            }
            _ => {
                // The last star takes in one more byte.
                let Some(last) = star else { return false };
                resume += 1;
                (at, from) = (last + 1, resume);
            }
        }
    }
    glob.iter().skip(at).all(|rest| *rest == b'*')
}
