//! The thread that makes records and screens them, at the asked rate.

use super::pace::Pace;
use super::site::{Site, Worker};
use jingyou::generate::Generator;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two batches.
const BATCH_EVERY: Duration = Duration::from_millis(10);

/// The running feed.
pub struct Feed {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Feed {
    /// Starts it. It ends by itself after the generator's last record.
    pub fn start(site: Arc<Site>, mut generator: Generator, rate: u32) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("feed".to_owned()).spawn(move || {
            let mut worker = site.worker("demo");
            let (mut pace, mut line, start) = (Pace::new(rate), Vec::new(), Instant::now());
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(BATCH_EVERY);
                let due = pace.due(start.elapsed());
                if !batch(&site, &mut worker, &mut generator, &mut line, due) {
                    return;
                }
            }
        })?;
        Ok(Self { thread, stop })
    }

    /// True once the last record is screened.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it after the batch that it is at.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let _panicked_and_said_so = self.thread.join();
    }
}

/// Screens as many records as are due. False after the last one, or when the desk takes nothing more.
fn batch(site: &Site, worker: &mut Worker, generator: &mut Generator, line: &mut Vec<u8>, due: u64) -> bool {
    let arrived = Instant::now();
    let mut findings = Vec::new();
    let mut more = true;
    for _ in 0..due {
        more = generator.next_into(line).is_some();
        if !more {
            break;
        }
        // A refused record is counted, and that is all there is to do about a made-up one.
        findings.extend(worker.pass(line).unwrap_or_default());
    }
    worker.add();
    site.submit_findings(findings, arrived) && more
}
