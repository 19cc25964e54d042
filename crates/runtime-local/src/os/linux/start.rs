//! Starting a program in its control group, and without a copy of this process.
//!
//! Moving a process that runs into a group waits until every processor has taken note, five to thirty milliseconds in which no
//! process of the machine can start another. One that is started in its group (`clone3`) waits for nobody. And a server's
//! memory, of which an ordinary start makes a copy that the kernel gives up at once, is shared until the program is executed
//! (`vfork`).

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

/// `CLOSE_RANGE_CLOEXEC`: what is in the range is closed when the program is executed.
const CLOSE_RANGE_CLOEXEC: libc::c_int = 4;
/// The stack of a thread that waits for a child, in bytes.
const WAITING_STACK: usize = 64 * 1024;

/// What the new process has as its standard input, output and errors.
pub(crate) struct Files {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) errors: OwnedFd,
}

/// A child of this process, which is the caller's to reap.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// Becomes readable when it has ended. Without handles of processes (kernels before 5.3, sandboxes) it is reaped by then.
    pub(crate) handle: OwnedFd,
    /// It has been in the group from the start.
    pub(crate) in_group: bool,
}

/// Starts a program, a path, in `/` with the environment that is set in `command` alone, and with these three files and no others; in
/// the control group (of version 2) that is given, where it can be. Returns when the program is executed.
///
/// # Errors
/// Why it could not be.
pub(crate) fn start(
    command: &mut Command,
    files: Files,
    group: Option<BorrowedFd<'_>>,
) -> io::Result<Started> {
    match start_in_group(command, &files, group) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => start_by_fork(command, files),
        started => started,
    }
}

/// Fails with `Unsupported` when the kernel, who confines this process, or the group does not let it start one like this.
fn start_in_group(command: &Command, files: &Files, group: Option<BorrowedFd<'_>>) -> io::Result<Started> {
    let arguments = [command.get_program()].into_iter().chain(command.get_args());
    let arguments = arguments.map(c_string).collect::<io::Result<Vec<_>>>()?;
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let variables = variables.map(|(name, value)| {
        let mut variable = name.to_owned();
        variable.push("=");
        variable.push(value);
        c_string(&variable)
    });
    let variables = variables.collect::<io::Result<Vec<_>>>()?;
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&variables));
    let program = Program {
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        files: [&files.input, &files.output, &files.errors].map(AsRawFd::as_raw_fd),
        failed: AtomicI32::new(0),
    };
    let mut handle: libc::c_int = -1;
    // SAFETY: what the program needs stays where it is until this returns, which the kernel delays until the child has executed
    // the program or has ended.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    let pid = unsafe { imp::clone(&program, &mut handle, group) }?;
    // SAFETY: the kernel has opened it for this call.
    #[expect(unsafe_code, reason = "the kernel says the descriptor as a number only")]
    let handle = unsafe { OwnedFd::from_raw_fd(handle) };
    match program.failed.into_inner() {
        0 => Ok(Started { pid, handle, in_group: group.is_some() }),
        error => {
            reap(&handle);
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// The ordinary way.
fn start_by_fork(command: &mut Command, files: Files) -> io::Result<Started> {
    // SAFETY: the closure makes one system call, and allocates nothing.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    unsafe {
        command.pre_exec(|| {
            close_inherited_files();
            Ok(())
        });
    }
    let child =
        command.current_dir("/").stdin(files.input).stdout(files.output).stderr(files.errors).spawn()?;
    let pid = child.id();
    // Nobody has reaped it: the number is still its own.
    let opened = Pid::from_raw(pid.cast_signed()).map(|number| pidfd_open(number, PidfdFlags::empty()));
    let handle = match opened {
        Some(Ok(handle)) => handle,
        _ => waited_for(child, WAITING_STACK)?,
    };
    Ok(Started { pid, handle, in_group: false })
}

/// What becomes readable when the child has ended, which a thread waits for.
fn waited_for(mut child: Child, stack: usize) -> io::Result<OwnedFd> {
    let (child_tx, child_rx) = mpsc::channel::<Child>();
    let waiting = io::pipe().and_then(|(ended, at_end)| {
        std::thread::Builder::new().name("wait".into()).stack_size(stack).spawn(move || {
            if let Ok(mut child) = child_rx.recv() {
                drop(child.wait());
            }
            drop(at_end);
        })?;
        Ok(ended)
    });
    match waiting {
        Ok(ended) => {
            child_tx.send(child).expect("the thread waits for the child");
            Ok(ended.into())
        }
        Err(error) => {
            // Whoever cannot be waited for is not left behind.
            drop(child.kill().and_then(|()| child.wait()));
            Err(error)
        }
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(Into::into)
}

/// Files that this server was started with (a terminal, a pipe of the program that started it) are not the host's: they would
/// stay open for as long as the agent runs. To be called in the child.
fn close_inherited_files() {
    // SAFETY: a system call that changes flags of this process's own descriptors. It is safe after a fork, and the descriptors that
    // are still used until the program is executed stay open until then.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    let closed = unsafe { libc::close_range(3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    // A kernel without the call leaves the files as they are.
    let _ = closed;
}

/// Waits for a child whose handle cannot be watched, and takes note that it has ended.
pub(crate) fn wait_for(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // What it ended with is nobody's business here.
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}

/// Takes note that the child has ended.
pub(crate) fn reap(handle: &OwnedFd) {
    // What it ended with is nobody's business here.
    let _ = waitid(WaitId::PidFd(handle.as_fd()), WaitIdOptions::EXITED);
}

/// What the child is to execute, in the memory that it shares with this process.
struct Program {
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    files: [libc::c_int; 3],
    /// Why it was not.
    failed: AtomicI32,
}

/// What the child does. It has the memory of a thread that waits: it makes system calls, and touches nothing but its own stack.
extern "C" fn execute(program: *const Program) -> ! {
    // SAFETY: the thread that waits keeps what the pointers point to; every call may be made after a fork. `errno` is that thread's,
    // which does not read it before it has set it anew.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    unsafe {
        let program = &*program;
        let files = program.files.iter().zip(0..).all(|(file, target)| libc::dup2(*file, target) >= 0);
        // Rust ignores it; the program is to begin as any other.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        close_inherited_files();
        if files && libc::chdir(c"/".as_ptr()) == 0 {
            libc::execve(*program.argv, program.argv, program.envp);
        }
        program.failed.store(*libc::__errno_location(), Ordering::Relaxed);
        libc::_exit(127)
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod imp {
    use super::{AsRawFd, BorrowedFd, Program, execute, io};
    use std::arch::asm;

    /// The child's: a few frames of C.
    const STACK: usize = 32 * 1024;
    /// No handler of this process runs in the child.
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

    /// The arguments of `clone3`, as far as kernels since 5.7 know them.
    #[repr(C, align(8))]
    #[derive(Default)]
    struct Arguments {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
        set_tid: u64,
        set_tid_size: u64,
        cgroup: u64,
    }

    /// A child that executes `program`, and its handle.
    ///
    /// # Safety
    /// `program` and what it points to must stay where they are until this returns.
    #[expect(unsafe_code, reason = "no safe interface exists")]
    pub(super) unsafe fn clone(
        program: &Program,
        handle: &mut libc::c_int,
        group: Option<BorrowedFd<'_>>,
    ) -> io::Result<u32> {
        let mut stack = vec![0u128; STACK / size_of::<u128>()];
        let into_group = group.map(|_| CLONE_INTO_CGROUP).unwrap_or_default();
        let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD).unsigned_abs();
        let arguments = Arguments {
            flags: u64::from(flags) | CLONE_CLEAR_SIGHAND | into_group,
            pidfd: std::ptr::from_mut(handle) as u64,
            exit_signal: libc::SIGCHLD.unsigned_abs().into(),
            stack: stack.as_mut_ptr() as u64,
            stack_size: STACK as u64,
            cgroup: group.map(|group| u64::from(group.as_raw_fd().unsigned_abs())).unwrap_or_default(),
            ..Arguments::default()
        };
        let returned: i64;
        // SAFETY: the parent goes on behind the block. The child begins with a stack of its own, calls `execute`, which does not
        // return, and never comes to what follows.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!(
                "syscall",
                "test rax, rax",
                "jnz 2f",
                "mov rdi, r13",
                "call r12",
                "ud2",
                "2:",
                inlateout("rax") libc::SYS_clone3 => returned,
                in("rdi") &raw const arguments,
                in("rsi") size_of::<Arguments>(),
                in("r12") execute as extern "C" fn(*const Program) -> !,
                in("r13") std::ptr::from_ref(program),
                lateout("rcx") _,
                lateout("r11") _,
            );
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!(
                "svc #0",
                "cbnz x0, 2f",
                "mov x0, x22",
                "blr x21",
                "brk #1",
                "2:",
                inlateout("x0") &raw const arguments => returned,
                in("x1") size_of::<Arguments>(),
                in("x8") libc::SYS_clone3,
                in("x21") execute as extern "C" fn(*const Program) -> !,
                in("x22") std::ptr::from_ref(program),
            );
        }
        drop(stack);
        match u32::try_from(returned) {
            Ok(pid) => Ok(pid),
            // What a kernel says that does not know the call, or its arguments; what confinement says; and a group that takes no process.
            Err(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod imp {
    use super::{BorrowedFd, Program, io};

    #[expect(unsafe_code, reason = "the other one is")]
    pub(super) unsafe fn clone(
        _: &Program,
        _: &mut libc::c_int,
        _: Option<BorrowedFd<'_>>,
    ) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn files() -> (Files, io::PipeReader) {
        let (reader, output) = io::pipe().unwrap();
        let input = std::fs::File::open("/dev/null").unwrap();
        let errors = output.try_clone().unwrap();
        (Files { input: input.into(), output: output.into(), errors: errors.into() }, reader)
    }

    fn printing() -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "pwd; echo $WORD"]).env_clear().env("WORD", "hello");
        command
    }

    /// However it is started, it is the same program, and its end is seen.
    #[test]
    fn in_every_way_it_is_the_same() {
        type Start = fn(&mut Command, Files) -> io::Result<Started>;
        let ways: [(&str, Start); 3] = [
            ("as it is", |command, files| start(command, files, None)),
            ("by a fork", start_by_fork),
            ("without handles", |command, files| {
                let child = command.current_dir("/").stdin(files.input).stdout(files.output);
                let child = child.stderr(files.errors).spawn()?;
                Ok(Started { pid: child.id(), handle: waited_for(child, WAITING_STACK)?, in_group: false })
            }),
        ];
        for (way, start) in ways {
            let (files, mut printed) = files();
            let mut command = printing();
            let started = start(&mut command, files).unwrap();
            drop(command);
            let mut text = String::new();
            printed.read_to_string(&mut text).unwrap();
            assert_eq!(text, "/\nhello\n", "{way}");
            let mut ended = [rustix::event::PollFd::new(&started.handle, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut ended, None).unwrap();
            reap(&started.handle);
            assert!(!std::path::Path::new(&format!("/proc/{}", started.pid)).exists(), "{way}: it is reaped");
        }
    }

    /// The machine has no room for one more thread.
    #[test]
    fn who_cannot_be_waited_for_is_not_left_behind() {
        let child = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        assert!(waited_for(child, 1 << 60).is_err());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it is reaped");
    }

    #[test]
    fn what_cannot_be_executed_leaves_nobody() {
        let missing = || Command::new("/nowhere/to/be-found");
        for error in [start(&mut missing(), files().0, None), start_by_fork(&mut missing(), files().0)] {
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
