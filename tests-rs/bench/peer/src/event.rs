//! The one workload every store of the bench is given; the same events as `tests-py/bench/event.py`.

use batpak::prelude::*;

const ENTITIES: u64 = 1_000;
const SCOPES: u64 = 10;
const TOOLS: [&str; 8] =
    ["search_docs", "read_file", "run_tests", "write_file", "list_issues", "fetch_page", "plan_step", "ask_user"];

/// The event of an agent's tool call: about 200 bytes of JSON, 159 bytes of `MessagePack`.
#[derive(serde::Serialize, serde::Deserialize, EventPayload)]
#[batpak(category = 0xF, type_id = 1)]
pub struct ToolCall {
    run: String,
    tool: String,
    step: u64,
    ok: bool,
    ms: f64,
    tokens_in: u64,
    tokens_out: u64,
    model: String,
    digest: String,
    note: String,
}

/// Spreads an index over 64 bits (the splitmix64 finaliser), so that no store profits from repeated content.
pub fn scramble(index: u64) -> u64 {
    let mut mixed = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Event number `index` (from 0) of the workload.
pub fn event(index: u64) -> ToolCall {
    let noise = scramble(index);
    let tool = usize::try_from(noise % 8).map_or("", |number| TOOLS[number]);
    let ms = u32::try_from((noise >> 8) & 0xFFFF).map_or(0.0, f64::from) / 64.0;
    ToolCall {
        run: format!("run-{:04}", index % ENTITIES),
        tool: tool.to_owned(),
        step: index,
        ok: !noise.is_multiple_of(16),
        ms,
        tokens_in: (noise >> 24) & 0x1FFF,
        tokens_out: (noise >> 40) & 0x3FF,
        model: "small-2".to_owned(),
        digest: format!("{noise:016x}"),
        note: format!("attempt {} of 3, queued behind {}", noise % 3, (noise >> 50) & 0xFF),
    }
}

/// `count` events with the coordinates they belong to, made before any clock starts.
pub fn workload(start: u64, count: u64) -> Result<Vec<(Coordinate, ToolCall)>, CoordinateError> {
    (start..start + count)
        .map(|index| {
            let number = index % ENTITIES;
            let coordinate = Coordinate::new(format!("agent:{number:04}"), format!("team:{}", number % SCOPES))?;
            Ok((coordinate, event(index)))
        })
        .collect()
}
