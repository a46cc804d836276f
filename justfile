# The only list of commands. CI calls these recipes and nothing else.

set positional-arguments

venv := justfile_directory() / ".venv"
bin := venv / "bin"
python := env("PYTHON", "python3")
# No path of the builder's machine in what is built.
export RUSTFLAGS := "--remap-path-prefix=" + env("CARGO_HOME", env("HOME") / ".cargo") + "=/cargo --remap-path-prefix=" + justfile_directory() + "=/batpak"

# What there is to run.
list:
    @just --list --unsorted

# A virtual environment with the locked development tools.
setup:
    test -x {{ bin }}/python || {{ python }} -m venv {{ venv }}
    {{ bin }}/pip install --quiet --require-hashes -r tests-py/requirements.txt

# Build the wheel into dist/.
wheel profile="ci": setup
    rm -rf dist
    {{ bin }}/maturin build --quiet --locked --profile {{ profile }} --interpreter {{ bin }}/python --out dist
    {{ bin }}/python tests-py/tools/check_wheel.py dist/*.whl

# Build the wheel and install it into the virtual environment.
install profile="ci": (wheel profile)
    {{ bin }}/pip install --quiet --force-reinstall --no-deps dist/*.whl

# The main job on real input: record a real program, print its timeline and a verified verdict.
demo: install
    rm -rf target/demo && mkdir -p target/demo
    PYTHONPYCACHEPREFIX=target/demo/cache {{ bin }}/batpak audit --dir target/demo/journal -m compileall -q -f $({{ bin }}/python -c "import json; print(json.__path__[0])")
    {{ bin }}/batpak log target/demo/journal --tree
    {{ bin }}/batpak verify target/demo/journal

# All tests: Rust, then Python against the installed wheel.
test: install
    cargo test --locked --profile ci
    {{ bin }}/python -m pytest --numprocesses auto tests-py

# Group commit under every order of its threads in which at most so many are stopped where they could go on.
loom preemptions="4":
    RUSTFLAGS="--cfg loom $RUSTFLAGS" LOOM_MAX_PREEMPTIONS={{ preemptions }} cargo test --quiet --locked --profile ci --target-dir target/loom -p batpak-core --lib commit::model

# Threads that do anything at any moment, under three seeds.
stress seconds="30":
    for seed in 1 2 3; do BATPAK_STRESS_S={{ seconds }} BATPAK_STRESS_SEED=$seed cargo test --quiet --locked --profile ci -p batpak-tests --test suite stress:: || exit 1; done

# Parsers of what strangers hand over, under random changes, each for so many seconds.
fuzz seconds="60": install
    BATPAK_FUZZ_S={{ seconds }} BATPAK_FUZZ_SEED=$(date +%s) cargo test --quiet --locked --profile ci -p batpak-tests --test suite fuzz::
    BATPAK_FUZZ_S={{ seconds }} BATPAK_FUZZ_SEED=$(date +%s) {{ bin }}/python -m pytest tests-py/test_evidence_fuzz.py --timeout 0

# Kill writers, BATPAK_KILLS (200) times in each mode, and hold what they leave against what they were told.
kills: install
    {{ bin }}/python tests-py/kills.py

# Sixteen Python threads append and wait for BATPAK_STRESS_S (30) seconds in each mode while other processes follow.
stress-python: install
    {{ bin }}/python tests-py/stress.py

# Formatters and linters; all of them are errors.
lint: install
    cargo fmt --all --check
    cargo clippy --locked --profile ci --workspace --all-targets -- -D warnings
    {{ bin }}/ruff format --check python tests-py
    {{ bin }}/ruff check python tests-py
    {{ bin }}/mypy
    {{ bin }}/pyright --pythonpath {{ bin }}/python
    cd target && {{ bin }}/python -m mypy.stubtest batpak._batpak

# What every commit passes.
check: lint test

# What CI runs.
ci: check

# Format everything.
format: setup
    cargo fmt --all
    {{ bin }}/ruff format python tests-py
    {{ bin }}/ruff check --fix python tests-py

# Print stubs generated from the compiled module, to compare with the committed ones.
stubs: setup
    {{ bin }}/maturin generate-stubs --quiet --profile ci --interpreter {{ bin }}/python --out target/stubs
    cat target/stubs/batpak/_batpak.pyi 2>/dev/null || find target/stubs -name '*.pyi' -exec cat {} +

# Measure against the peers, in one run. Takes its own peers from a lock file; see tests-py/bench.
bench *args: (install "release")
    {{ bin }}/pip install --quiet --require-hashes -r tests-py/bench/requirements.txt
    cargo build --quiet --release --locked --manifest-path tests-rs/bench/peer/Cargo.toml --target-dir target/peer
    cd tests-py && {{ bin }}/python -m bench "$@"

# Write the Python lock files anew.
lock: setup
    cd tests-py && {{ bin }}/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links -o requirements.txt requirements.in
    cd tests-py/bench && {{ bin }}/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links -o requirements.txt requirements.in
