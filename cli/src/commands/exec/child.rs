//! The command itself: started with everything of ours but the environment, waited for, and told of every signal that
//! is meant for it.

use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, getsid, kill_process, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// How far we are. It decides whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The run is being opened.
    Before,
    /// The command runs.
    Running(Pid),
    /// The run is being closed.
    After,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// The first signal that came in this stage.
    came: Option<i32>,
}

/// Takes the signals that would end this program, so that it can close its run.
#[derive(Clone)]
pub(super) struct Guard(Arc<Mutex<State>>);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a code of its own.
    Code(u8),
    /// By a signal.
    Signal(i32),
}

impl Ended {
    /// The exit code, as shells have it.
    pub(super) fn exit(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => by_signal(signal),
        }
    }
}

fn by_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

impl Guard {
    /// Begins to listen.
    pub(super) fn install() -> std::io::Result<Self> {
        let ignored = ignored();
        let wanted = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2];
        // What whoever started us ignores (nohup) stays ignored, for the command as well.
        let signals =
            SignalsInfo::<WithOrigin>::new(wanted.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0))?;
        let guard = Self(Arc::new(Mutex::new(State { stage: Stage::Before, came: None })));
        let listening = guard.clone();
        std::thread::spawn(move || listening.listen(signals));
        Ok(guard)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, mut signals: SignalsInfo<WithOrigin>) {
        for origin in signals.forever() {
            let mut state = self.state();
            if let Stage::Running(child) = state.stage {
                if is_for_the_child(&origin)
                    && let Some(signal) = Signal::from_named_raw(origin.signal)
                {
                    // It may just have ended; then there is nobody to tell.
                    let _ = kill_process(child, signal);
                }
            } else if state.came.replace(origin.signal).is_some() {
                // Somebody who asks twice does not want to wait for the gateway. The run ends by itself.
                eprintln!("dryrun: left at once; the run stays open until it expires.");
                std::process::exit(i32::from(by_signal(origin.signal)));
            }
        }
    }

    /// The signal that came while there was no command to tell it to.
    pub(super) fn came(&self) -> Option<i32> {
        self.state().came
    }

    /// Starts the command and waits for its end. A signal that came before is the command's as soon as it runs.
    pub(super) fn run(&self, command: &mut Command) -> std::io::Result<Ended> {
        let mut state = self.state();
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        if let Some(signal) = state.came.take().and_then(Signal::from_named_raw) {
            let _ = kill_process(pid, signal);
        }
        state.stage = Stage::Running(pid);
        drop(state);
        // Its number stays taken until we collect it, so no signal of ours can reach anybody else.
        while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                break;
            }
        }
        *self.state() = State { stage: Stage::After, came: None };
        let status = child.wait()?;
        use std::os::unix::process::ExitStatusExt as _;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Code(u8::try_from(code).unwrap_or(u8::MAX)),
            (None, signal) => Ended::Signal(signal.unwrap_or_default()),
        })
    }
}

/// What the terminal sends (Ctrl-C, Ctrl-\) reaches the command without us, as it is of the same group; twice would be
/// another word. What a process sent to us is for the command.
///
/// When a terminal is closed, only the leader of its session is told
/// (<https://man7.org/linux/man-pages/man7/credentials.7.html>): if that is us, the command would hear of it when we
/// end, and we wait for its end.
fn is_for_the_child(origin: &Origin) -> bool {
    match origin.cause {
        Cause::Kernel => origin.signal == SIGHUP && getsid(None).is_ok_and(|session| session == getpid()),
        // Where the system does not tell, the signals of the terminal count as sent by it.
        Cause::Unknown => ![SIGINT, SIGQUIT].contains(&origin.signal),
        _ => true,
    }
}

/// The signals that are ignored, as bits. Only Linux tells without asking in a way that is not safe; elsewhere none
/// count as ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(bits.trim(), 16).unwrap_or_default()
}
