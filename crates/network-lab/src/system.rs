//! What std does not have: namespaces, TUN devices, waiting for several files. All of this crate's unsafe code.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// From linux/if_tun.h.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca_u32 as libc::Ioctl;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    // SAFETY: reads a number and touches no memory of ours.
    unsafe { libc::geteuid() == 0 }
}

/// A network of its own. Without a name: it ends when nobody holds it any more and nobody runs in it.
#[derive(Clone, Debug)]
pub(crate) struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// A new one, in which there is nothing.
    pub(crate) fn new() -> io::Result<Self> {
        let file = on_a_thread(|| {
            // SAFETY: changes this thread only, which ends here.
            check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            File::open("/proc/thread-self/ns/net")
        })??;
        Ok(Self(Arc::new(file.into())))
    }

    /// Runs `work` inside, on a thread of its own. Sockets and devices it opens stay inside.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let inside = self.clone();
        on_a_thread(move || inside.enter().map(|()| work()))?
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let inside = self.clone();
        let mut command = Command::new(program);
        // SAFETY: between fork and exec, `enter` makes one system call and allocates nothing.
        unsafe { command.pre_exec(move || inside.enter()) };
        command
    }

    /// Moves the calling thread inside.
    fn enter(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open for the length of the call.
        check(unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) })?;
        Ok(())
    }
}

fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let thread = std::thread::Builder::new().name("lab-namespace".into()).spawn(work)?;
    thread
        .join()
        .map_err(|_| io::Error::other("what ran in the namespace panicked"))
}

/// A TUN device in a namespace: reading gives a packet that was sent to it, writing sends one out of it. It ends with
/// the file. Reads and writes never wait.
pub(crate) fn tun(namespace: &Namespace, interface: &str) -> io::Result<File> {
    let interface = CString::new(interface)?;
    if interface.as_bytes_with_nul().len() > libc::IFNAMSIZ {
        return Err(io::Error::other("the name of the interface is too long"));
    }
    namespace.run(move || {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")?;
        // SAFETY: ifreq is plain data for which zeros are valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(interface.as_bytes_with_nul()) {
            *to = from.cast_signed() as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the file is open and the request, which the call reads, lives through it.
        check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) })?;
        Ok(file)
    })?
}

/// Waits until one of the files can be read, or for `limit`. Says of each whether it is worth reading.
pub(crate) fn wait(files: &[RawFd], limit: Option<Duration>, ready: &mut Vec<bool>) -> io::Result<()> {
    let mut polls: Vec<libc::pollfd> = files
        .iter()
        .map(|file| libc::pollfd {
            fd: *file,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos().cast_signed()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let count = polls.len() as libc::nfds_t;
    // SAFETY: the list and the limit live through the call.
    let waited = check(unsafe { libc::ppoll(polls.as_mut_ptr(), count, limit, std::ptr::null()) });
    match waited {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
        _ => {}
    }
    ready.clear();
    ready.extend(polls.iter().map(|poll| poll.revents != 0));
    Ok(())
}

/// Lets the calling thread wake up on time: without the usual slack, and ahead of ordinary work where that is allowed.
pub(crate) fn be_punctual() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: a number and a struct that lives through its call; a refusal leaves everything as it was.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const priority);
    }
}
