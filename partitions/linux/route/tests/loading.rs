//! The built library before a stand-in for the stock one: programs that are linked with it, and programs that load it
//! with a module, get through to it by every function.

use std::path::{Path, PathBuf};
use std::process::Command;

const CALLS: &str = "initialize a name\nopen\ninvoke 3\ncancel\nclose 7\nfinalize 1000\n";

/// Compiles a file of this folder.
fn compile(source: &str, out: &Path, arguments: &[&str]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let status = Command::new("cc")
        .arg("-o")
        .arg(out)
        .arg(source)
        .args(arguments)
        .status();
    assert!(status.expect("cc is here, for Rust links with it").success());
}

/// The shared library, which cargo builds before this test, beside it.
fn drop_in() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a program");
    let folder = test.parent().expect("a folder");
    folder.join("libbulkhead_route.so")
}

fn run(program: &Path, module: Option<&Path>, libraries: &Path) -> String {
    let output = Command::new(program)
        .args(module)
        .env("LD_PRELOAD", drop_in())
        .env("LD_LIBRARY_PATH", libraries)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // The loader says so here where it could not preload the drop-in.
    assert!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn linked_and_loaded_clients_reach_the_stock_library() {
    assert!(drop_in().exists(), "{} is missing", drop_in().display());
    let folder = tempfile::tempdir().expect("tempdir");
    let at = |name: &str| folder.path().join(name);
    let search = format!("-L{}", folder.path().display());
    let library = ["-shared", "-fPIC", "-Wl,-soname,libteec.so.2"];
    compile("stock.c", &at("libteec.so.2"), &library);
    let link = [search.as_str(), "-l:libteec.so.2"];
    compile("client.c", &at("client"), &link);
    let module = ["-shared", "-fPIC", "-DMODULE", search.as_str(), "-l:libteec.so.2"];
    compile("client.c", &at("module.so"), &module);
    compile("client.c", &at("loader"), &["-DLOADER", "-ldl"]);
    assert_eq!(run(&at("client"), None, folder.path()), CALLS);
    assert_eq!(run(&at("loader"), Some(&at("module.so")), folder.path()), CALLS);
}
