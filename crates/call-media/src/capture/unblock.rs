//! Getting a thread out of a driver call that waits for ever.
//!
//! nokhwa waits for a frame without a time limit, and while it does, it keeps the device open: nobody, not even this
//! process, could open it again. On Linux a signal with an empty handler makes the wait return EINTR,
//! so the thread comes back, closes the device, and a stalled camera can be opened anew.

/// A thread that may have to be called back. Made by that thread itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    #[cfg(target_os = "linux")]
    thread: libc::pid_t,
}

#[cfg(target_os = "linux")]
impl Blocked {
    /// The calling thread.
    pub(super) fn current() -> Self {
        // SAFETY: gettid has no preconditions.
        let thread = unsafe { libc::gettid() };
        Self { thread }
    }

    /// Interrupts what the thread waits for. Harmless when it waits for nothing, or has ended.
    pub(super) fn interrupt(self) {
        extern "C" fn nothing(_signal: libc::c_int) {}
        // SIGURG: ignored by default and used by nothing here, so a stray one cannot do any harm.
        // SAFETY: the action is valid (a handler that does nothing, an empty mask), and tgkill takes plain numbers:
        // should the thread be gone, it fails, and should its number be in use again, it is in this
        // process, where the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as libc::sighandler_t;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(libc::SIGURG, &raw const action, std::ptr::null_mut()) == 0 {
                libc::syscall(libc::SYS_tgkill, libc::getpid(), self.thread, libc::SIGURG);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Blocked {
    /// The calling thread.
    pub(super) fn current() -> Self {
        Self {}
    }

    /// There is no way here: the thread is left to its driver.
    pub(super) fn interrupt(self) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_without_limit_comes_back() {
        let (send, receive) = mpsc::sync_channel(1);
        let waiter = std::thread::spawn(move || {
            send.send(Blocked::current()).unwrap();
            // SAFETY: no descriptors at all: only a signal ends it.
            let result = unsafe { libc::poll(std::ptr::null_mut(), 0, -1) };
            (result, std::io::Error::last_os_error().kind())
        });
        let blocked = receive.recv().unwrap();
        // The signal may come before the wait does: repeat it until the thread is back.
        while !waiter.is_finished() {
            blocked.interrupt();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(waiter.join().unwrap(), (-1, std::io::ErrorKind::Interrupted));
    }
}
