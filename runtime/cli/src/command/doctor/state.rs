//! An enclave's folder: that it is one, that nobody else may read it, that there is room.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use glovebox_engine::{Config, Engine};

use super::report::Report;
use crate::text;

const SECTION: &str = "enclave's folder";
/// Below this a job's commits begin to fail.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// Below this the next ingestion may not fit.
const FREE_BYTES_LOW: u64 = 5 << 30;
/// How many files with the same fault are named.
const NAMED_MAX: usize = 3;

pub(super) fn examine(report: &mut Report, folder: &Path) {
    let Ok(own) = std::fs::symlink_metadata(folder) else {
        return report.fault(
            SECTION,
            format!("`{}` can't be looked into", folder.display()),
            "name the enclave's folder",
        );
    };
    if !Engine::exists(&Config::new(folder)) {
        let remedy = "name the folder of `glovebox serve --state`, or make an enclave: glovebox init";
        return report.fault(SECTION, format!("`{}` holds no enclave", folder.display()), remedy);
    }
    report.good(SECTION, format!("`{}` holds an enclave", folder.display()));
    let mut found = Found::default();
    found.look_at(folder, &own, &own);
    found.walk(folder, &own);
    found.tell(report, folder, own.uid());
    room(report, folder);
}

/// Files that are not as they should be.
#[derive(Default)]
struct Found {
    files: u64,
    open: Vec<PathBuf>,
    foreign: Vec<PathBuf>,
    links: Vec<PathBuf>,
    unread: Vec<PathBuf>,
}

impl Found {
    fn walk(&mut self, folder: &Path, own: &Metadata) {
        let Ok(entries) = std::fs::read_dir(folder) else { return self.unread.push(folder.to_owned()) };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            self.look_at(&path, &metadata, own);
            if metadata.is_dir() {
                self.walk(&path, own);
            }
        }
    }

    fn look_at(&mut self, path: &Path, metadata: &Metadata, own: &Metadata) {
        self.files += 1;
        if metadata.is_symlink() {
            return self.links.push(path.to_owned());
        }
        if metadata.mode() & 0o077 != 0 {
            self.open.push(path.to_owned());
        }
        if metadata.uid() != own.uid() {
            self.foreign.push(path.to_owned());
        }
    }

    fn tell(&self, report: &mut Report, folder: &Path, owner: u32) {
        let shown = folder.display();
        let closing = format!("chmod -R go= {shown}");
        let is_closed = !self.open.iter().any(|path| path == folder);
        if is_closed && !self.open.is_empty() {
            // Nobody gets there now. A copy, or a folder that is opened by mistake, would show them.
            let what = format!("only the folder above keeps others from {}", named(&self.open));
            report.warning(SECTION, what, closing.clone());
        }
        let open = if is_closed { &Vec::new() } else { &self.open };
        let faults = [
            (open, "others may read or write", closing),
            (&self.foreign, "another user owns", format!("chown -R {owner} {shown}")),
            (&self.links, "a link leads elsewhere from", "put the file itself there".to_owned()),
            (&self.unread, "you may not look into", "run this as the enclave's user".to_owned()),
        ];
        for (paths, what, remedy) in &faults {
            if !paths.is_empty() {
                report.fault(SECTION, format!("{what} {}", named(paths)), remedy);
            }
        }
        if self.open.is_empty() && faults.iter().all(|(paths, ..)| paths.is_empty()) {
            report.good(SECTION, format!("{} files and folders, its owner's alone", text::number(self.files)));
        }
    }
}

fn named(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().take(NAMED_MAX).map(|path| format!("`{}`", path.display())).collect();
    let more = paths.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn room(report: &mut Report, folder: &Path) {
    let Ok(system) = rustix::fs::statvfs(folder) else {
        return report.fault(SECTION, "its file system does not say what is free", "use a local file system");
    };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let what = format!("{} free on its file system", text::bytes(free));
    match free {
        ..FREE_BYTES_MIN => report.fault(SECTION, what, "make room now: without it nothing is committed"),
        FREE_BYTES_MIN..FREE_BYTES_LOW => {
            report.warning(SECTION, what, "make room: an ingestion takes up to three times its source")
        }
        _ => report.good(SECTION, what),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::report::Verdict;
    use super::*;

    fn trouble(folder: &Path) -> Vec<(Verdict, String)> {
        let own = std::fs::symlink_metadata(folder).unwrap();
        let mut found = Found::default();
        found.look_at(folder, &own, &own);
        found.walk(folder, &own);
        let mut report = Report::new();
        found.tell(&mut report, folder, own.uid());
        report.findings.into_iter().filter(|f| f.verdict != Verdict::Good).map(|f| (f.verdict, f.what)).collect()
    }

    #[test]
    fn files_that_others_may_read_and_links_are_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("enclave");
        let deep = folder.join("vault/snapshots");
        let file = deep.join("table.gbx");
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(&file, b"").unwrap();
        for path in [&folder, &folder.join("vault"), &deep] {
            mode(path, 0o700);
        }
        mode(&file, 0o600);
        assert!(trouble(&folder).is_empty());
        for (path, wrong, right, verdict) in [
            (&file, 0o640, 0o600, Verdict::Warning),
            (&deep, 0o701, 0o700, Verdict::Warning),
            (&folder, 0o710, 0o700, Verdict::Fault),
        ] {
            mode(path, wrong);
            let found = trouble(&folder);
            let is_named = |what: &str| what.contains(&format!("`{}`", path.display()));
            assert!(matches!(found.as_slice(), [(found, what)] if *found == verdict && is_named(what)), "{found:?}");
            mode(path, right);
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
        let found = trouble(&folder);
        assert!(matches!(found.as_slice(), [(Verdict::Fault, what)] if what.contains("link")), "{found:?}");
    }

    #[test]
    fn a_folder_without_an_enclave_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("nowhere")] {
            let mut report = Report::new();
            examine(&mut report, &path);
            assert_eq!(report.findings.last().unwrap().verdict, Verdict::Fault);
        }
    }
}
