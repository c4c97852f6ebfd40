//! Backups of a data folder that is in use, and what becomes of them: restored, interrupted, changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod process;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use process::{command, start};
use reqwest::Method;
use serde_json::json;
use testing::TestClient;

const CLIENTS: usize = 6;
/// Payments that are there before the backup begins.
const BEFORE: usize = 150;

/// Runs a command of `dompet` on this data folder to its end.
fn dompet(data: &Path, words: &[&str]) -> Output {
    command(data, [0; 5])
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(text).unwrap()
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// It fails with this sentence, and changes nothing in `folder`.
#[track_caller]
fn assert_refused(data: &Path, words: &[&str], sentence: &str, folder: &Path) {
    let before = contents(folder);
    let output = dompet(data, words);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(sentence), "{sentence:?} is not in: {said}");
    assert_eq!(contents(folder), before, "{sentence}");
}

/// Every file below a folder but locks, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !path.ends_with("lock") {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn log_in(ports: [u16; 5]) -> TestClient {
    let api = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let login = json!({"email": "john@example.com", "password": "password123"});
    let token = api.post("/auth/login", login).await.expect(200)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    api.with_token(token)
}

/// The payment's id, if it was made.
async fn pay(john: &TestClient, key: &str) -> Option<i64> {
    let body = json!({"wallet_id": 1, "merchant": key, "amount": 1}).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let sent = john.try_send(Method::POST, "/payments/pay", body.into_bytes(), &headers);
    let answer = sent.await.ok()?;
    (answer.status.as_u16() == 201).then(|| answer.json()["payment"]["id"].as_i64().unwrap())
}

fn terminate(process: &mut std::process::Child) {
    let id = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(process.wait().unwrap().success());
}

/// A data folder that was used and cleanly ended.
async fn used_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ports = testing::free_ports();
    let mut process = start(folder.path(), ports, &[]).await;
    let john = log_in(ports).await;
    pay(&john, "the-first").await.unwrap();
    terminate(&mut process);
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_one_moment_of_all_four_databases() {
    let (data, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup = place.path().join("backup");
    let ports = testing::free_ports();
    let mut process = start(data.path(), ports, &[]).await;
    let john = log_in(ports).await;
    let (stop, made) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (john, stop, made) = (john.clone(), stop.clone(), made.clone());
            tokio::spawn(async move {
                let mut paid = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let key = format!("{client}-{}", paid.len());
                    let id = pay(&john, &key)
                        .await
                        .expect("a backup costs nobody an answer");
                    paid.push((made.fetch_add(1, Ordering::SeqCst), key, id));
                }
                paid
            })
        })
        .collect();
    testing::wait_until("some payments are made", || async {
        made.load(Ordering::SeqCst) >= BEFORE
    })
    .await;
    let before = made.load(Ordering::SeqCst);
    let (folder, to) = (data.path().to_owned(), backup.display().to_string());
    let output = tokio::task::spawn_blocking(move || dompet(&folder, &["backup", &to]));
    assert_done(&output.await.unwrap());
    stop.store(true, Ordering::SeqCst);
    let mut paid = Vec::new();
    for client in clients {
        paid.extend(client.await.unwrap());
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(paid.len() > before, "nothing was paid meanwhile");
    assert_eq!(
        names(&backup),
        [
            "manifest.json",
            "payment.db",
            "secret.key",
            "transaction.db",
            "user.db",
            "wallet.db"
        ]
    );

    let restored = tempfile::tempdir().unwrap();
    let from = backup.display().to_string();
    assert_done(&dompet(restored.path(), &["restore", &from]));
    assert_done(&dompet(restored.path(), &["verify"]));
    let ports = testing::free_ports();
    let mut process = start(restored.path(), ports, &[]).await;
    // The same secret: the token still holds.
    let again = TestClient::new(format!("http://127.0.0.1:{}/api/v1", ports[0]));
    let again = again.with_token(john.token().unwrap());
    for (number, key, id) in paid {
        let repeated = pay(&again, &key).await.unwrap();
        if number + CLIENTS < before {
            assert_eq!(repeated, id, "{key} was paid before the backup began");
        }
    }
    terminate(&mut process);
    assert_done(&dompet(restored.path(), &["verify"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_end_leaves_one_file_a_database_that_only_its_owner_reads() {
    let folder = used_folder().await;
    let left = [
        "lock",
        "payment.db",
        "secret.key",
        "transaction.db",
        "user.db",
        "wallet.db",
    ];
    assert_eq!(names(folder.path()), left);
    for name in left {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    // A folder of somebody who let everybody read it: the next start takes that back.
    for name in left {
        let path = folder.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let ports = testing::free_ports();
    let mut process = start(folder.path(), ports, &[]).await;
    for name in names(folder.path()) {
        let path = folder.path().join(&name);
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(name == "lock" || mode == 0o600, "{name}: {mode:o}");
    }
    terminate(&mut process);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_only_where_nothing_is_and_never_half() {
    let (data, place) = (used_folder().await, tempfile::tempdir().unwrap());
    let to = |name: &str| place.path().join(name).display().to_string();
    fs::create_dir(place.path().join("used")).unwrap();
    fs::write(place.path().join("used/notes"), "mine").unwrap();
    fs::write(place.path().join("file"), "mine").unwrap();
    let inside = data.path().join("backup").display().to_string();
    for (words, sentence) in [
        (["backup", to("used").as_str()], "is not empty"),
        (["backup", to("file").as_str()], "is not empty"),
        (["backup", inside.as_str()], "in the data folder itself"),
        (["backup", to("no/such").as_str()], "cannot back up into"),
    ] {
        assert_refused(data.path(), &words, sentence, place.path());
    }
    let nothing = place.path().join("nothing here");
    assert_refused(
        &nothing,
        &["backup", &to("b")],
        "nothing to back up",
        place.path(),
    );

    let mut with_postgres = command(data.path(), [0; 5]);
    with_postgres
        .env("DATABASE_URL", "postgres://localhost/x")
        .args(["backup", &to("b")]);
    let output = with_postgres.stderr(Stdio::piped()).output().unwrap();
    assert!(
        said(&output).contains("docs/BACKUP.md"),
        "{}",
        said(&output)
    );

    // What an interrupted one left is no backup, and is not in the way of the next.
    let unfinished = place.path().join("b.partial");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("wallet.db"), "half").unwrap();
    assert_refused(
        &place.path().join("new"),
        &["restore", &unfinished.display().to_string()],
        "is no backup",
        &unfinished,
    );
    assert_done(&dompet(data.path(), &["backup", &to("b")]));
    assert_eq!(names(place.path()), ["b", "file", "used"]);

    // Without one of the databases there is no whole backup.
    fs::rename(data.path().join("payment.db"), data.path().join("away")).unwrap();
    let output = dompet(data.path(), &["backup", &to("c")]);
    assert!(
        said(&output).contains("payment.db is missing"),
        "{}",
        said(&output)
    );
    assert!(!place.path().join("c").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_killed_leaves_nothing_with_its_name_or_all_of_it() {
    let (data, place) = (used_folder().await, tempfile::tempdir().unwrap());
    let to = place.path().join("b");
    for wait in 0..12_u32 {
        let mut backup = command(data.path(), [0; 5])
            .args(["backup", &to.display().to_string()])
            .spawn()
            .unwrap();
        // Each time a little later: spinning is exact where a timer is not.
        let until = std::time::Instant::now() + std::time::Duration::from_millis(8) * wait;
        while std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        backup.kill().unwrap();
        backup.wait().unwrap();
        if to.exists() {
            let restored = tempfile::tempdir().unwrap();
            assert_done(&dompet(
                restored.path(),
                &["restore", &to.display().to_string()],
            ));
            fs::remove_dir_all(&to).unwrap();
        }
    }
    assert_done(&dompet(data.path(), &["backup", &to.display().to_string()]));
    assert_done(&dompet(data.path(), &["verify"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_changed_is_not_restored() {
    let (data, place) = (used_folder().await, tempfile::tempdir().unwrap());
    let backup = place.path().join("b");
    let from = backup.display().to_string();
    assert_done(&dompet(data.path(), &["backup", &from]));
    let new = place.path().join("new");
    let good = contents(&backup);
    let manifest = backup.join("manifest.json");
    let list = fs::read_to_string(&manifest).unwrap();
    let sized = fs::read(backup.join("wallet.db")).unwrap();
    let mut flipped = sized.clone();
    flipped[sized.len() / 2] ^= 1;
    let changes: [(PathBuf, Option<Vec<u8>>, &str); 7] = [
        (
            backup.join("wallet.db"),
            Some(flipped),
            "is not what was backed up",
        ),
        (
            backup.join("wallet.db"),
            Some(sized[..4096].to_vec()),
            "is not what was backed up",
        ),
        (backup.join("user.db"), None, "cannot copy"),
        (manifest.clone(), None, "is no backup"),
        (
            manifest.clone(),
            Some(list.as_bytes()[..40].to_vec()),
            "was changed, or is cut off",
        ),
        (
            manifest.clone(),
            Some(list.replace("\"format\": 1", "\"format\": 2").into_bytes()),
            "was made by a newer dompet",
        ),
        (
            manifest.clone(),
            Some(list.replace("user.db", "../user.db").into_bytes()),
            "lists files that no backup has",
        ),
    ];
    for (path, content, sentence) in changes {
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_refused(&new, &["restore", &from], sentence, &new);
        for (path, content) in &good {
            fs::write(path, content).unwrap();
        }
    }
    assert_done(&dompet(&new, &["restore", &from]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_data_folder_is_never_lost_to_a_restore() {
    let (data, place) = (used_folder().await, tempfile::tempdir().unwrap());
    let backup = place.path().join("b");
    let from = backup.display().to_string();
    assert_done(&dompet(data.path(), &["backup", &from]));
    assert_refused(data.path(), &["restore", &from], "--replace", data.path());

    let ports = testing::free_ports();
    let mut process = start(data.path(), ports, &[]).await;
    let output = dompet(data.path(), &["restore", &from, "--replace"]);
    assert!(
        said(&output).contains("in use by another dompet"),
        "{}",
        said(&output)
    );
    pay(&log_in(ports).await, "after-the-backup").await.unwrap();
    terminate(&mut process);

    let before: Vec<Vec<u8>> = contents(data.path()).into_values().collect();
    assert_done(&dompet(data.path(), &["restore", &from, "--replace"]));
    let aside = names(data.path())
        .into_iter()
        .find(|name| name.starts_with("before-restore-"))
        .unwrap();
    let kept: Vec<Vec<u8>> = contents(&data.path().join(aside)).into_values().collect();
    assert_eq!(kept, before);
    assert_done(&dompet(data.path(), &["verify"]));

    // A restore that was interrupted while files were put in place: nothing starts on it, and the next restore goes on.
    fs::create_dir(data.path().join("restoring")).unwrap();
    fs::remove_file(data.path().join("wallet.db")).unwrap();
    let output = dompet(data.path(), &[]);
    assert!(
        said(&output).contains("was interrupted"),
        "{}",
        said(&output)
    );
    assert_done(&dompet(data.path(), &["restore", &from]));
    assert_done(&dompet(data.path(), &["verify"]));
}
