//! The program `openssl`, version 4: found, run, and held a conversation with.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After this long a peer hangs. Generous: the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where it is: what `scripts/openssl.sh --cached` prints. None where there is none, which is said aloud, once.
static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let script =
        folders.find_map(|folder| Some(folder.join("scripts/openssl.sh")).filter(|path| path.exists())).unwrap();
    let answer = Command::new(script).arg("--cached").output().unwrap();
    if answer.status.success() {
        return Some(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()));
    }
    // Not by `eprintln!`, which the test runner keeps to itself.
    let why = String::from_utf8_lossy(&answer.stderr);
    let _ = writeln!(std::io::stderr(), "\nINTEROPERABILITY WITH OPENSSL 4 IS NOT TESTED: {}", why.trim());
    None
});

/// OpenSSL 4 in a folder, to which all file names are relative.
#[derive(Clone)]
pub(crate) struct OpenSsl {
    program: &'static Path,
    pub(crate) folder: PathBuf,
}

/// What a command that ran to its end said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl OpenSsl {
    /// None where there is no such program: the test is skipped. Under continuous integration that is a failure.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let program = PROGRAM.as_deref();
        assert!(program.is_some() || std::env::var_os("CI").is_none(), "no OpenSSL 4, see scripts/openssl.sh");
        Some(Self { program: program?, folder: folder.to_owned() })
    }

    /// Runs a command, whose words stand between spaces, to its end.
    pub(crate) fn run(&self, command: &str) -> Answer {
        self.run_with(command, b"")
    }

    /// The same with bytes on its standard input.
    pub(crate) fn run_with(&self, command: &str, input: &[u8]) -> Answer {
        let mut running = self.start(command);
        running.say(input);
        running.hang_up();
        running.end()
    }

    /// Runs a command that must succeed; what it wrote to its standard output.
    pub(crate) fn text(&self, command: &str) -> String {
        let answer = self.run(command);
        assert!(answer.success, "openssl {command}: {}", answer.err);
        String::from_utf8(answer.out).unwrap()
    }

    /// Starts a command to talk with.
    pub(crate) fn start(&self, command: &str) -> Running {
        let mut child = Command::new(self.program)
            .args(command.split_ascii_whitespace())
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::new(Printed::default());
        let listeners = vec![
            listen(child.stdout.take().unwrap(), &printed, |lines| &mut lines.out),
            listen(child.stderr.take().unwrap(), &printed, |lines| &mut lines.err),
        ];
        let input = Some(speak(child.stdin.take().unwrap()));
        Running { command: command.to_owned(), child, input, printed, listeners }
    }

    /// Starts `s_server` on a port of its own choice, and waits until it listens.
    pub(crate) fn serve(&self, options: &str) -> (Running, SocketAddr) {
        let server = self.start(&format!("s_server -accept 127.0.0.1:0 {options}"));
        let address = server.wait_for_line("ACCEPT 127.0.0.1:");
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        (server, SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

#[derive(Default)]
struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
}

#[derive(Default)]
struct Printed {
    lines: Mutex<Lines>,
    more: Condvar,
}

fn listen(
    mut from: impl Read + Send + 'static,
    printed: &Arc<Printed>,
    which: fn(&mut Lines) -> &mut Vec<u8>,
) -> JoinHandle<()> {
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            which(&mut printed.lines.lock().unwrap()).extend_from_slice(&buffer[..length]);
            printed.more.notify_all();
        }
    })
}

/// Writes from a thread of its own: a peer that waits for us must not have us wait for it.
fn speak(mut input: ChildStdin) -> Sender<Vec<u8>> {
    let (sender, texts) = channel::<Vec<u8>>();
    std::thread::spawn(move || texts.iter().try_for_each(|text| input.write_all(&text)));
    sender
}

/// An `openssl` that runs. It ends with this value.
pub(crate) struct Running {
    command: String,
    child: Child,
    input: Option<Sender<Vec<u8>>>,
    printed: Arc<Printed>,
    listeners: Vec<JoinHandle<()>>,
}

impl Running {
    /// Writes to its standard input, in time. That it has ended by then is told by [`Self::end`].
    pub(crate) fn say(&self, text: &[u8]) {
        let _ = self.input.as_ref().unwrap().send(text.to_vec());
    }

    /// Closes its standard input behind what was said.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    /// Waits until it has printed `text`, anywhere.
    pub(crate) fn wait_for(&self, text: &str) {
        let mut searched = [0, 0];
        self.wait_until(text, |lines| {
            [&lines.out, &lines.err].into_iter().zip(&mut searched).find_map(|(all, searched)| {
                let from = std::mem::replace(searched, all.len()).saturating_sub(text.len());
                all[from..].windows(text.len()).any(|window| window == text.as_bytes()).then_some(())
            })
        });
    }

    /// Waits until standard output holds at least so many bytes, and gives them.
    pub(crate) fn wait_for_bytes(&self, length: usize) -> Vec<u8> {
        self.wait_until("bytes", |lines| (lines.out.len() >= length).then(|| lines.out.clone()))
    }

    /// Waits for a whole line of standard output that starts with `start`, and gives it.
    pub(crate) fn wait_for_line(&self, start: &str) -> String {
        self.wait_until(start, |lines| {
            let whole = &lines.out[..=lines.out.iter().rposition(|byte| *byte == b'\n')?];
            let text = String::from_utf8_lossy(whole);
            text.lines().find(|line| line.starts_with(start)).map(str::to_owned)
        })
    }

    fn wait_until<T>(&self, what: &str, mut found: impl FnMut(&Lines) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.printed.lines.lock().unwrap();
        loop {
            if let Some(found) = found(&lines) {
                return found;
            }
            let has_ended = self.listeners.iter().all(JoinHandle::is_finished);
            let left = end.saturating_duration_since(Instant::now());
            if has_ended || left.is_zero() {
                let (out, err) = (String::from_utf8_lossy(&lines.out), String::from_utf8_lossy(&lines.err));
                let cut = &out[..out.floor_char_boundary(4000)];
                panic!("`openssl {}` has not said `{what}`:\n{cut}\n{err}", self.command);
            }
            // Wakes by itself too: the end of the program notifies nobody.
            lines = self.printed.more.wait_timeout(lines, left.min(Duration::from_millis(50))).unwrap().0;
        }
    }

    /// Waits for its end, and gives all that it printed.
    pub(crate) fn end(mut self) -> Answer {
        let status = self.wait();
        for listener in self.listeners.drain(..) {
            listener.join().unwrap();
        }
        let lines = std::mem::take(&mut *self.printed.lines.lock().unwrap());
        let err = String::from_utf8_lossy(&lines.err).into_owned();
        Answer { success: status.success(), out: lines.out, err }
    }

    /// Ends it without farewell, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "`openssl {}` does not end", self.command);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
