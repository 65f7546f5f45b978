//! Examples at the end of each command's `--help`.

/// Of `run`.
pub const RUN: &str = "Examples:
  cargo xtask run                                build, boot, and call every TEE from Linux
  cargo xtask run --until tees --console         boot until every TEE has started, and show what they say
  cargo xtask run --config configs/largest.toml  another table
  cargo xtask run --shell                        a shell in that Linux (bulkhead-tees, xtest)
  cargo xtask run --shell --with my-client.c     and a client of your own in it, built with libteec";

/// Of `test`.
pub const TEST: &str = "Examples:
  cargo xtask test                               every group, as in CI; ends with `N passed, N failed`
  cargo xtask test --ffa                         the FF-A conformance cases, in a minute or two
  cargo xtask test --ffa --bless                 and write docs/conformance.md anew from them
  cargo xtask test --gp                          GlobalPlatform clients, xtest and a PKCS#11 tool, on every OP-TEE
  cargo xtask test --faults --seed 7             TEEs crash, hang and attack while Linux uses them; 200 times with --full
  cargo xtask test --gp --full --suites gp-both   every case of xtest, on all OP-TEEs at the same time
  cargo xtask test --gp --full --suites load --seed 7  ten minutes of load; the seed repeats what chance did
  cargo xtask test --only host,model             what needs no QEMU
  cargo xtask test --only model --seed 7         the random calls of a failure that named this seed
  cargo xtask test --only fuzz --fuzz 3600 --keep  an hour for each fuzz target, and keep what it finds
  cargo xtask test --only cost                   what grew since the last release, and is not in docs/changelog.md
  cargo xtask test --only linux --suites clients,xtest
  cargo xtask test --only book --suites tutorial   the commands of docs/tutorial.md, as a reader types them
  cargo xtask test --list                        the scenarios: whole runs that files describe
  cargo xtask test --scenario crash --seed 7     one of them; all logs are in target/scenarios/crash
  cargo xtask test --scenario all --html target/report.html  all, with the timeline of each for a browser
  cargo xtask test --scenario table:vgic,suite:names --times 3  cases of a table and a suite of Linux, as scenarios
  cargo xtask test --scenario optee-crash --own vendor-a=my-tee.bin --own kernel=Image
  cargo xtask test --scenario crash --gdb        under gdb, with the symbols of everything
  cargo xtask test --scenario crash --matrix --times 3  every QEMU that is found, and what is flaky
  cargo xtask test --junit target/results.xml";

/// Of `bench`.
pub const BENCH: &str = "Examples:
  cargo xtask bench                              the table for people
  cargo xtask bench --csv target/figures.csv     and the figures for programs
  cargo xtask bench --bless                      at a release: docs/cost.csv, with which CI compares
  cargo xtask bench --linux                      what a stock client's calls cost, with and without a hypervisor";

/// Of `build`.
pub const BUILD: &str = "Examples:
  cargo xtask build                              configs/phone.toml; what is made is in target/bulkhead/phone
  cargo xtask build --config configs/largest.toml";

/// Of `size`.
pub const SIZE: &str = "Examples:
  cargo xtask size                               the hypervisor around configs/phone.toml
  cargo xtask size --config configs/largest.toml";

/// Of `coverage`.
pub const COVERAGE: &str = "Examples:
  cargo xtask coverage                           lines and branches by file; fails under the least of docs/assurance.md
  cargo xtask coverage --branches                and each branch that is never taken";

/// Of `sbom`.
pub const SBOM: &str = "Examples:
  cargo xtask sbom --output target/phone.cdx.json
  cargo xtask sbom --config configs/largest.toml --output target/largest.cdx.json";

/// Of `check`.
pub const CHECK: &str = "Examples:
  cargo xtask check configs/phone.toml           all that is wrong with it, or `good`
  cargo xtask check --expand configs/phone.toml  the table with everything filled in
  cargo xtask check --format json configs/phone.toml boards/tc4/board.toml";

/// Of `explain`.
pub const EXPLAIN: &str = "Examples:
  cargo xtask explain                            all rules
  cargo xtask explain BH041                      one of them, with an example before and after";

/// Of `plan`.
pub const PLAN: &str = "Examples:
  cargo xtask plan configs/phone.toml            the plan as text
  cargo xtask plan configs/phone.toml --svg target/phone.svg
  cargo xtask plan --diff configs/phone.toml configs/largest.toml";

/// Of `verify`.
pub const VERIFY: &str = "Examples:
  cargo xtask verify --config configs/two-rust.toml --nonce 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff quote.json

The quote is what `bulkhead-info --quote NONCE` prints on the machine; the table has to be built here.";

/// Of `sign`.
pub const SIGN: &str = "Examples:
  cargo xtask sign --image tee.bin --uuid 5d1a0c4e-0101-4e0b-9c1d-8f2e6a7b3c40 --version 1 --make-key --key vendor.key --out tee.pkg
  cargo xtask sign --image tee.bin --uuid 5d1a0c4e-0101-4e0b-9c1d-8f2e6a7b3c40 --version 2 --key vendor.key --out tee.pkg";

/// Of `new`.
pub const NEW: &str = "Examples:
  cargo xtask new configs/mine.toml              asks for what it needs to know
  cargo xtask new configs/mine.toml --board qemu-virt --tees optee,rust --cores cpu0,cpu1";

/// Of `schema`.
pub const SCHEMA: &str = "Examples:
  cargo xtask schema > configs/table.schema.json
  cargo xtask schema --board > boards/board.schema.json";
