//! What Prometheus's own clients say of a process, under their names. What can't be read is left out.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Unit;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::Sheet;
use crate::model::Timestamp;

pub(super) fn gauges(sheet: &mut Sheet, started_at: Timestamp) {
    sheet.0.register_with_unit(
        "process_cpu",
        "User and system CPU time spent",
        Unit::Seconds,
        ConstCounter::new(cpu_seconds()),
    );
    let memory = std::fs::read_to_string("/proc/self/status").ok();
    let memory = |name| memory.as_deref().and_then(|text| status_bytes(text, name));
    sheet.quantity(
        "process_resident_memory",
        "Resident memory size",
        Unit::Bytes,
        memory("VmRSS:"),
    );
    sheet.quantity(
        "process_virtual_memory",
        "Virtual memory size",
        Unit::Bytes,
        memory("VmSize:"),
    );
    sheet.count(
        "process_open_fds",
        "Number of open file descriptors",
        open_files(),
    );
    let files_max = getrlimit(Resource::Nofile).current;
    sheet.count(
        "process_max_fds",
        "Maximum number of open file descriptors",
        files_max.and_then(|most| i64::try_from(most).ok()),
    );
    sheet.quantity(
        "process_start_time",
        "Start time of the process since the Unix epoch",
        Unit::Seconds,
        Some(super::seconds_since_epoch(started_at)),
    );
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

/// A value of `/proc/self/status`, which has them in KiB.
fn status_bytes(text: &str, name: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some((kibibytes * 1024) as f64)
}

fn open_files() -> Option<i64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the folder that is being read.
    i64::try_from(count).ok().map(|count| count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "Name:\tx\nVmSize:\t   20 kB\nVmRSS:\t     3 kB\nThreads:\t1\n";
        assert_eq!(status_bytes(text, "VmRSS:"), Some(3072.0));
        assert_eq!(status_bytes(text, "VmSize:"), Some(20480.0));
        assert_eq!(status_bytes(text, "VmSwap:"), None);
        assert_eq!(status_bytes("VmRSS:\tmany kB\n", "VmRSS:"), None);
    }

    #[test]
    fn a_file_that_is_open_counts() {
        let before = open_files().unwrap();
        // Other tests open and close files meanwhile, but not so many.
        let files: Vec<_> = (0..500)
            .map_while(|_| std::fs::File::open("/dev/null").ok())
            .collect();
        assert_eq!(files.len(), 500);
        assert!(open_files().unwrap() >= before + 250);
        assert!(cpu_seconds() > 0.0);
    }
}
