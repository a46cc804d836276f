"""The plain reader's hashes, checksums, signatures and tree, on known answers."""

from hashlib import sha512

import pytest

from handmade import naive_path, naive_root, sign
from plain_reader import ed25519 as ed
from plain_reader.blake3 import blake3, derive_key
from plain_reader.frame import crc32c
from plain_reader.merkle import Tree, root_of_path

# -- hashes and checksums --------------------------------------------------------------------------------------------

DERIVED = {
    0: "2ebd3769ef5c9eec87827299b91759b161b1823fcc961d3cb32a265cd8668c96",
    1: "6975d9b0f0044290f1716acf784abd20a36bfc84292cd6e7f13c188f9e3cff65",
    63: "0c0da2c8b93a162d19ed64b03b63f050f9243536362893b33a23ccd9250be8d0",
    64: "090587055250cdf08a8d4b1708703dbc5398d6faab0696607cdfdce7da6ca0b4",
    65: "6a2100e8d397ba40caff00eadf9c05a19fbeb069719a15ab19bff395b0980b9e",
    1023: "bb4caf59f818fbeb8fc34cc9cdb2a6c5806a4779af520cf79b8bb826b2a782c5",
    1024: "31c754a642d56209df34e86d5df254bc9fbc7ae8c762c1f2f8f7f79fccfa6915",
    1025: "7d32ef0105c29ca085e688cab5c4d1a273b0807dce3e88556e9afd2355cbfafe",
    2048: "b67fa4fdaf24172a8f905f93fabe23da0f13e3db892a3b6416e8a4433c529970",
    3073: "5786d72d09062d74618851f80754d07a884077ec709de73e277197ef2ce61488",
    10240: "e9da66f83aaa697e702ceaf4a234e88a6d98d7432b4f9e84c2b464f7c73e607d",
}


@pytest.mark.parametrize(("length", "digest"), DERIVED.items())
def test_blake3_derive_key_of_every_chunk_shape(length: int, digest: str) -> None:
    data = bytes(index % 251 for index in range(length))
    assert derive_key("batpak 1 event", data).hex() == digest


def test_blake3_official_vectors() -> None:
    assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert blake3(b"abc").hex() == "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
    context = "BLAKE3 2019-12-27 16:29:52 test vectors context"
    assert derive_key(context, b"").hex() == "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"


def test_blake3_contexts_differ() -> None:
    digest = "c463135037c3f5da147b977771fecb4d9fa6a9372fa2c3193b27614ad3256a17"
    assert derive_key("batpak 1 payload", b"abc").hex() == digest != derive_key("batpak 1 event", b"abc").hex()


def test_crc32c_check_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


# -- Ed25519 ---------------------------------------------------------------------------------------------------------

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd"
            "25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3"
            "87b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594"
            "a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize(("public_key", "message", "signature"), RFC_8032)
def test_ed25519_rfc_8032_vectors(public_key: str, message: str, signature: str) -> None:
    key, text, signed = bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed.verify(key, signed, text)
    assert not ed.verify(key, signed, text + b"!")
    for position in (0, 31, 32, 63):
        assert not ed.verify(key, signed[:position] + bytes([signed[position] ^ 1]) + signed[position + 1 :], text)
    not_reduced = int.from_bytes(signed[32:], "little") + ed.L
    assert not ed.verify(key, signed[:32] + not_reduced.to_bytes(32, "little"), text)
    assert not ed.verify(key[:31], signed, text)
    assert not ed.verify(key, signed[:63], text)


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_ed25519_points_of_small_order_are_refused(encoded: str) -> None:
    point_bytes = bytes.fromhex(encoded)
    point = ed.decompress(point_bytes)
    assert point is not None
    assert ed.is_small_order(point)
    neutral = bytes.fromhex(SMALL_ORDER[0])
    # With S = 0 and the neutral point as R the equation holds for such a key and some messages.
    for message in range(16):
        assert not ed.verify(point_bytes, neutral + bytes(32), bytes([message]))
    # R of small order under an honest key: S = k * a.
    secret = bytes(32)
    digest = sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public_key, _ = sign(secret, b"")
    k = int.from_bytes(sha512(point_bytes + public_key + b"m").digest(), "little")
    s = (k * scalar % ed.L).to_bytes(32, "little")
    assert not ed.verify(public_key, point_bytes + s, b"m")


def test_ed25519_encodings_that_are_not_canonical_are_refused() -> None:
    for y in range(19):
        assert ed.decompress((y + ed.P).to_bytes(32, "little")) is None
    assert ed.decompress(bytes.fromhex("01" + "00" * 30 + "80")) is None  # x is 0, so its sign cannot be set
    assert ed.decompress(bytes.fromhex("02" + "00" * 31)) is None  # not on the curve


# -- the tree --------------------------------------------------------------------------------------------------------


def test_merkle_known_answers() -> None:
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = {
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        assert Tree(bytes.fromhex(leaf) for leaf in leaves[:size]).root().hex() == root


def test_merkle_peaks_and_paths_of_every_small_size() -> None:
    hashes = [bytes([index]) * 32 for index in range(20)]
    for size in range(1, 20):
        tree = Tree(hashes[:size])
        assert tree.root() == naive_root(hashes[:size])
        assert len(tree.peaks) == size.bit_count()
        for index in range(size):
            path = naive_path(index, hashes[:size])
            assert root_of_path(index, size, hashes[index], path) == tree.root()
            assert root_of_path(index, size, hashes[index], [*path, bytes(32)]) is None
            if path:
                assert root_of_path(index, size, hashes[index], path[:-1]) is None
        assert root_of_path(size, size, hashes[size], []) is None
