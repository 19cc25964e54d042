//! A PTY, and a program that is started on it.
//!
//! The program is started with `posix_spawn`: the kernel makes no copy of this process's memory only to throw it away.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use parallax_api::TerminalSize;
use parallax_profile::Command;
use parallax_profile::program::is_program;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What runs a script that does not say what it is for.
const SHELL: &CStr = c"/bin/sh";
/// Signals that the program finds as any other does, whatever this process does with them.
const DEFAULT_SIGNALS: [libc::c_int; 7] =
    [libc::SIGALRM, libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGQUIT, libc::SIGTERM];

/// The side of a PTY that is not the program's.
pub(crate) struct Pty {
    /// Reads what the program prints, and writes what it reads.
    pub(crate) master: OwnedFd,
    /// The path of the other side.
    terminal: CString,
}

impl Pty {
    /// Opens one of this size.
    ///
    /// # Errors
    /// When the system has none left.
    pub(crate) fn open(size: TerminalSize) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let terminal = ptsname(&master, Vec::new())?;
        tcsetwinsize(&master, window(size))?;
        Ok(Self { master, terminal })
    }

    /// Starts `program`, with the arguments and exactly the environment of `command`, as the leader of a session of its own whose
    /// terminal this is. Answers its process id when the program is executed.
    ///
    /// # Errors
    /// When it could not be.
    pub(crate) fn start(&self, program: &Path, command: &Command, workdir: &Path) -> io::Result<u32> {
        let c_string = |text: &OsStr| CString::new(text.as_bytes());
        let (program, workdir) = (c_string(program.as_os_str())?, c_string(workdir.as_os_str())?);
        let arguments = [&command.program].into_iter().chain(&command.args);
        let mut arguments: Vec<CString> =
            arguments.map(|argument| CString::new(argument.as_bytes())).collect::<Result<_, _>>()?;
        let variables = command.env.iter().map(|(name, value)| format!("{name}={}", value.expose()));
        let shell = (!command.env.contains_key("SHELL")).then(|| format!("SHELL={}", login_shell()));
        let variables: Vec<CString> = variables.chain(shell).map(CString::new).collect::<Result<_, _>>()?;
        match self.spawn(&program, &arguments, &variables, &workdir) {
            Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
                arguments.splice(..1, [SHELL.to_owned(), program]);
                self.spawn(SHELL, &arguments, &variables, &workdir)
            }
            started => started,
        }
    }

    fn spawn(
        &self,
        program: &CStr,
        arguments: &[CString],
        variables: &[CString],
        workdir: &CStr,
    ) -> io::Result<u32> {
        let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
            strings.iter().map(|string| string.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
        };
        let (argv, envp) = (pointers(arguments), pointers(variables));
        let (attributes, actions) = (Attributes::new()?, Actions::new(&self.terminal, workdir)?);
        let mut pid = 0;
        // SAFETY: every pointer is to what lives until the call returns, and the lists end with a null.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        let error = unsafe {
            libc::posix_spawn(
                &mut pid,
                program.as_ptr(),
                &raw const actions.0,
                &raw const attributes.0,
                argv.as_ptr(),
                envp.as_ptr(),
            )
        };
        done(error)?;
        Ok(pid.unsigned_abs())
    }
}

/// How the kernel keeps a size.
pub(crate) fn window(size: TerminalSize) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 }
}

/// The shell that the user of this process has, as the machine's list of users says.
fn login_shell() -> String {
    let user = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let shell = fields
        .filter(|fields| fields.get(2) == Some(&user.as_str()))
        .find_map(|fields| fields.get(6).copied());
    let shell = shell.filter(|shell| is_program(Path::new(shell)));
    shell.unwrap_or("/bin/sh").to_owned()
}

/// A session of its own, and signals as any program finds them.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let signals = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        let flags = i32::from(libc::POSIX_SPAWN_SETSID) | signals;
        let flags = libc::c_short::try_from(flags).map_err(|_| io::ErrorKind::Unsupported)?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: what is made here is made before it is used, and destroyed once, when this is dropped.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            done(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = Self(attributes.assume_init());
            let mut signals = MaybeUninit::uninit();
            libc::sigemptyset(signals.as_mut_ptr());
            let mut signals = signals.assume_init();
            done(libc::posix_spawnattr_setsigmask(&mut attributes.0, &raw const signals))?;
            for signal in DEFAULT_SIGNALS {
                libc::sigaddset(&mut signals, signal);
            }
            done(libc::posix_spawnattr_setsigdefault(&mut attributes.0, &raw const signals))?;
            done(libc::posix_spawnattr_setflags(&mut attributes.0, flags))?;
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was made.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::posix_spawnattr_destroy(&mut self.0);
        }
    }
}

/// The terminal, which becomes that of the new session when it is opened; and where the program begins. Other files close
/// themselves.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(terminal: &CStr, workdir: &CStr) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: what is made here is made before it is used, and destroyed once, when this is dropped; it keeps copies of the paths.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            done(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            let mut actions = Self(actions.assume_init());
            let path = terminal.as_ptr();
            done(libc::posix_spawn_file_actions_addopen(&mut actions.0, 0, path, libc::O_RDWR, 0))?;
            done(libc::posix_spawn_file_actions_adddup2(&mut actions.0, 0, 1))?;
            done(libc::posix_spawn_file_actions_adddup2(&mut actions.0, 0, 2))?;
            done(libc::posix_spawn_file_actions_addchdir_np(&mut actions.0, workdir.as_ptr()))?;
            Ok(actions)
        }
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: it was made.
        #[expect(unsafe_code, reason = "no safe interface exists")]
        unsafe {
            libc::posix_spawn_file_actions_destroy(&mut self.0);
        }
    }
}

/// These calls say what went wrong by what they return.
fn done(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
