//! What is in a data folder while nobody uses it: audited without a change, and refused by its name where something is wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use process::{command, start};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use testing::TestClient;

/// A user without rights, where the test runs as root: root may write everywhere.
const NOBODY: u32 = 65534;

/// A folder that a dompet has used, with three payments that history and payments know of, and how that dompet ended.
async fn used(signal: Signal) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ports = testing::free_ports();
    let mut process = start(&data, ports, &[]).await;
    // A log that is not written any more is then left with nothing but its header.
    let mut backup = command(&data, ports);
    backup.arg("backup").arg(folder.path().join("backup"));
    assert!(backup.status().unwrap().success());
    let api = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let answer = api.post("/auth/login", login).await.expect(200);
    let john = api.with_token(answer["token"].as_str().unwrap());
    for _ in 0..3 {
        let payment = json!({"wallet_id": 1, "merchant": "Toko", "amount": 1});
        john.post("/payments/pay", payment).await.expect(201);
    }
    john.get("/transactions").await.expect(200);
    john.get("/payments").await.expect(200);
    kill_process(Pid::from_child(&process), signal).unwrap();
    process.wait().unwrap();
    (folder, data)
}

fn copy(data: &Path, name: &str, without: &[&str]) -> PathBuf {
    let copy = data.with_file_name(name);
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(data).unwrap() {
        let file = file.unwrap();
        if !without.contains(&file.file_name().to_str().unwrap()) {
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }
    copy
}

/// Everything that is in the folder, but for SQLite's index of a log, which says nothing and which readers note themselves in.
fn contents(data: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let files = std::fs::read_dir(data).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .map(|path| {
            let is_index = path.to_str().unwrap().ends_with("-shm");
            let bytes = (!is_index).then(|| std::fs::read(&path).unwrap());
            (path, bytes)
        })
        .collect()
}

/// The same command by a program that every user may start: where it was built may be in a home that others cannot enter.
fn reachable(command: &Command, data: &Path) -> Command {
    let program = data.with_file_name("dompet");
    if !program.exists() {
        std::fs::copy(command.get_program(), &program).unwrap();
    }
    let mut reachable = Command::new(program);
    reachable.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => reachable.env(name, value),
            None => reachable.env_remove(name),
        };
    }
    reachable
}

/// The report of `verify` on it, after a look whether it left everything as it was.
fn verify(data: &Path, user: Option<u32>) -> (String, Option<i32>) {
    let before = contents(data);
    let mut dompet = command(data, testing::free_ports());
    dompet
        .arg("verify")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(user) = user {
        dompet = reachable(&dompet, data);
        dompet.uid(user).gid(user);
        dompet.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = dompet.output().unwrap();
    assert_eq!(
        contents(data).keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>(),
        "files were made or removed"
    );
    assert!(contents(data) == before, "a file was changed");
    let said = [stdout, stderr].concat();
    (String::from_utf8(said).unwrap(), status.code())
}

/// Nothing in it can be written any more. Gives the user for whom that holds.
fn made_read_only(data: &Path) -> Option<u32> {
    let parent = data.parent().unwrap();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let user = is_root.then_some(NOBODY);
    set(parent, 0o755);
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        set(&path, 0o444);
        chown(&path, user, user).unwrap();
    }
    chown(data, user, user).unwrap();
    set(data, 0o555);
    user
}

#[tokio::test]
async fn what_cannot_be_written_is_audited_and_nothing_is_made() {
    for signal in [Signal::TERM, Signal::KILL] {
        let (_folder, data) = used(signal).await;
        let (said, code) = verify(&data, None);
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("\n0 entries"), "{said}");
        assert!(said.ends_with(": whole\n"), "{said}");
        let user = made_read_only(&data);
        assert_eq!(verify(&data, user), (said, Some(0)));
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_missing_or_was_copied_without_its_log_is_named() {
    let (_folder, data) = used(Signal::KILL).await;
    let without_followers = copy(
        &data,
        "followers",
        &["transaction.db", "transaction.db-wal", "transaction.db-shm"],
    );
    let (said, code) = verify(&without_followers, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("transaction.db is missing"), "{said}");
    assert!(!said.contains("another database"), "{said}");

    let without_ledger = copy(
        &data,
        "ledger",
        &["wallet.db", "wallet.db-wal", "wallet.db-shm"],
    );
    let (said, code) = verify(&without_ledger, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("wallet.db is missing, and the ledger is in it"),
        "{said}"
    );

    let without_log = copy(&data, "log", &["wallet.db-wal", "wallet.db-shm"]);
    let (said, code) = verify(&without_log, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("wallet.db has no wallet.db-wal beside it"),
        "{said}"
    );

    let emptied = copy(&data, "emptied", &["payment.db-wal", "payment.db-shm"]);
    std::fs::write(emptied.join("payment.db"), "").unwrap();
    let (said, code) = verify(&emptied, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("payment.db lacks tables of the payment service"),
        "{said}"
    );

    std::fs::write(emptied.join("payment.db"), "no database at all").unwrap();
    let (said, code) = verify(&emptied, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("payment.db: file is not a database"),
        "{said}"
    );
}

#[test]
fn a_secret_that_is_none_is_named_with_its_file_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret.key");
    for (bytes, flaw) in [
        (&b""[..], "is empty"),
        (b" \n", "is empty"),
        (b"short\n", "has 5 bytes, and a secret has at least 32"),
        (&[0xff; 48], "is not text"),
        (&[b'x'; 5000], "has more than 4096 bytes"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let mut dompet = command(folder.path(), testing::free_ports());
        let output = dompet
            .env_remove("SECRET_KEY")
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(&format!("{} {flaw}: ", file.display())),
            "{said}"
        );
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        assert!(!folder.path().join("user.db").exists());
    }
}

#[tokio::test]
async fn a_folder_that_was_open_to_all_is_closed_unless_other_things_are_in_it() {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    for (other, expected) in [(None, 0o700), (Some("notes.txt"), 0o755)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(other) = other {
            std::fs::write(folder.path().join(other), "").unwrap();
        }
        let mut process = start(folder.path(), testing::free_ports(), &[]).await;
        assert_eq!(mode(folder.path()), expected);
        for service in ["user", "wallet", "transaction", "payment"] {
            for suffix in ["", "-wal", "-shm"] {
                let file = folder.path().join(format!("{service}.db{suffix}"));
                assert_eq!(mode(&file), 0o600, "{}", file.display());
            }
        }
        assert_eq!(mode(&folder.path().join("secret.key")), 0o600);
        kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn a_folder_whose_name_is_no_text_is_refused_before_anything_is_made() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut name = folder.path().as_os_str().to_owned().into_vec();
    name.extend(b"/bad\xff");
    let name = OsString::from_vec(name);
    for words in [&["--data-dir"][..], &["backup"], &["restore"]] {
        let mut dompet = command(&folder.path().join("data"), testing::free_ports());
        if words == ["--data-dir"] {
            dompet.env_remove("DATA_DIR");
        }
        let output = dompet
            .args(words)
            .arg(&name)
            .stderr(Stdio::piped())
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("UTF-8"), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A file system of its own, which root alone can make.
struct Small(TempDir);

impl Small {
    fn of(kib: u32) -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Small(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_backup_that_finds_no_room_says_so_and_is_none() {
    let (_folder, data) = used(Signal::TERM).await;
    for kib in [4, 40, 120] {
        let Some(small) = Small::of(kib) else {
            eprintln!("LEFT OUT: a full disk; it takes root to make one");
            return;
        };
        let mut dompet = command(&data, testing::free_ports());
        let to = small.0.path().join("b");
        dompet.arg("backup").arg(&to);
        let output = dompet.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("No space left on device"), "{said}");
        assert!(!to.exists());
    }
    assert_eq!(verify(&data, None).1, Some(0));
}
