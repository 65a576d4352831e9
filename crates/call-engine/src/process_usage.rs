//! What this process costs, from `/proc`. On systems without it, nothing is known.

use std::collections::BTreeMap;
use std::path::Path;

use crate::report::ProcessReport;

/// Reads the costs so far; `seconds` is how long the engine has run.
pub(crate) fn read(seconds: f64) -> ProcessReport {
    let process = Path::new("/proc/self");
    let cpu_s = cpu_seconds(process);
    ProcessReport {
        cpu_s,
        cpu_cores: cpu_s.filter(|_| seconds > 0.0).map(|cpu| cpu / seconds),
        rss_peak_bytes: status_field("VmHWM:").map(|kib| kib * 1024),
        threads: status_field("Threads:"),
        cpu_by_thread: cpu_by_thread(process),
    }
}

fn status_field(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// User and system time of `stat` (proc(5), fields 14 and 15), which includes threads that have ended.
fn cpu_seconds(directory: &Path) -> Option<f64> {
    let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
    // The name in parentheses may hold anything: count fields from behind it.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / ticks_per_second()?)
}

fn ticks_per_second() -> Option<f64> {
    #[cfg(unix)]
    {
        // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        (ticks > 0).then_some(ticks as f64)
    }
    #[cfg(not(unix))]
    None
}

fn cpu_by_thread(process: &Path) -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir(process.join("task")) else {
        return seconds;
    };
    for task in tasks.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm"));
        // Nanoseconds on the processor: finer than the ticks of `stat`.
        let spent = std::fs::read_to_string(task.path().join("schedstat"));
        if let (Ok(name), Ok(spent)) = (name, spent) {
            let nanoseconds: f64 = spent
                .split_whitespace()
                .next()
                .and_then(|field| field.parse().ok())
                .unwrap_or(0.0);
            *seconds.entry(name.trim().to_owned()).or_insert(0.0) += nanoseconds / 1e9;
        }
    }
    seconds
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_costs_something() {
        let usage = super::read(1.0);
        assert!(usage.rss_peak_bytes.is_some_and(|bytes| bytes > 100_000));
        assert!(usage.threads.is_some_and(|threads| threads >= 1));
        assert!(usage.cpu_s.is_some());
        assert!(!usage.cpu_by_thread.is_empty());
    }
}
