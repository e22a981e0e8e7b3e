//! The thread that makes records and feeds them to the engine, at the asked rate.

use super::pace::Pace;
use super::site::Site;
use jingyou::case::{Stopped, Ticket};
use jingyou::engine::Feeder;
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
            let mut feeder = site.engine.feeder("demo");
            let (mut pace, mut line, start) = (Pace::new(rate), Vec::new(), Instant::now());
            let mut last = None;
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(BATCH_EVERY);
                let (due, arrived) = (pace.due(start.elapsed()), Instant::now());
                let Ok((ticket, more)) = batch(&mut feeder, &mut generator, &mut line, due) else {
                    return;
                };
                // A batch without findings has the ticket of the one before: there is nothing to time.
                if last.replace(ticket) != Some(ticket) {
                    site.time(ticket, arrived);
                }
                if !more {
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

/// Feeds as many records as are due. The ticket of what they raised, and whether there are more.
fn batch(
    feeder: &mut Feeder,
    generator: &mut Generator,
    line: &mut Vec<u8>,
    due: u64,
) -> Result<(Ticket, bool), Stopped> {
    for _ in 0..due {
        if generator.next_into(line).is_none() {
            return Ok((feeder.flush()?, false));
        }
        feeder.feed(line)?;
    }
    Ok((feeder.flush()?, true))
}
