//! `jingyou demo`: generator → screening → cases → API in one process, with the live page and counts in the terminal.
//! Owns the wiring and the end; what is screened and served is the library's, what is shown is `face`'s.

mod columns;
mod face;
mod feed;
mod pace;
mod site;

use anyhow::{Context, bail};
use face::{Face, Reading};
use feed::Feed;
use jingyou::api::{self, Limits};
use jingyou::generate::{Generator, Options};
use site::Site;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::macros::offset;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Ports tried after the one that was asked for.
const PORTS_TRIED: u16 = 20;
/// Between two drawings of the panel.
const PANEL_EVERY: Duration = Duration::from_millis(250);
/// Between two lines of figures where there is no panel.
const LINES_EVERY: Duration = Duration::from_secs(5);
/// Events of a waybill's life that the generator makes.
const EVENTS_PER_WAYBILL: u8 = 3;
/// Waybills in a million that carry a finding: a thousand times what a county sees, so that there is something to see.
const FINDINGS_PER_MILLION: u32 = 1_500;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
示例 Examples:
  jingyou demo                          打开所示地址看实时预警 · open the address shown
  jingyou demo --rate 20000 --count 1000000
  jingyou demo --data ./demo-data       结束后保留案件和日志 · keep cases and journal

全部运单均为合成，人员均为虚构。 All waybills are synthetic, nobody in them is real.")]
pub struct Args {
    /// 每秒条数 · records a second
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// 监听地址（仅本机），端口被占用时顺延 · address to listen on (loopback), the next free port if taken
    #[arg(long, default_value = "127.0.0.1:8686", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// 条数，0 为直到 Ctrl-C · how many records, 0 = until Ctrl-C
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// 随机种子 · the same seed gives the same waybills
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 规则目录 · folder of rules
    #[arg(long, default_value = "rules", value_name = "DIR")]
    rules: PathBuf,
    /// 数据目录，默认临时目录，结束时删除 · folder of cases and journal; a temporary one, removed at the end, if left out
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the demonstration until its records are through or it is interrupted.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "--listen {}: the demonstration has no accounts and listens on loopback only (127.0.0.1 or [::1])",
            args.listen
        );
    }
    let data = Data::new(args.data.as_deref())?;
    let (site, alerts) = Site::open(&args.rules, &data.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(listen(args.listen))?;
    let address = format!("http://{}/", listener.local_addr()?);

    let (stop, stopped) = watch::channel(false);
    let engine = site.engine.clone();
    let server = runtime.spawn(api::serve(
        listener,
        engine.desk().clone(),
        engine,
        Limits::default(),
        stopped,
    ));
    let interrupted = runtime.spawn(interrupt());
    let terminal = std::io::stdout().is_terminal();
    println!("{}", data.said());
    let mut face = Face::new(terminal, &address);
    let feed = Feed::start(site.clone(), Generator::new(generated(args)), args.rate)?;
    watch(
        &mut face,
        &site,
        &alerts,
        if terminal { PANEL_EVERY } else { LINES_EVERY },
        || interrupted.is_finished() || feed.is_finished(),
    );
    feed.stop();
    site.settle();
    stop.send_replace(true);
    let served = runtime.block_on(server);
    show_alerts(&mut face, &alerts);
    face.finish(&site.reading());
    drop(runtime);
    if let Some(engine) = Arc::into_inner(site).and_then(|site| Arc::into_inner(site.engine)) {
        engine.shutdown()?;
    }
    served
        .context("the API broke off")?
        .context("the API could not be served")?;
    Ok(ExitCode::SUCCESS)
}

fn generated(args: &Args) -> Options {
    Options {
        count: if args.count == 0 { u64::MAX } else { args.count },
        seed: args.seed,
        findings_per_million: FINDINGS_PER_MILLION,
        events_per_waybill: EVENTS_PER_WAYBILL,
        start: OffsetDateTime::now_utc().to_offset(offset!(+8)),
        per_second: f64::from(args.rate),
        ..Options::default()
    }
}

/// Shows alerts as they come and figures every so often, until `done`.
fn watch(face: &mut Face, site: &Arc<Site>, alerts: &Receiver<site::Shown>, every: Duration, done: impl Fn() -> bool) {
    let mut last = Instant::now();
    let mut before = Reading::default();
    while !done() {
        match alerts.recv_timeout(PANEL_EVERY) {
            Ok(alert) => face.alert(&alert),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if last.elapsed() >= every {
            let mut now = site.reading();
            let passed = now.elapsed.saturating_sub(before.elapsed).as_secs_f64();
            now.per_second = (now.screened - before.screened) as f64 / passed.max(f64::EPSILON);
            face.figures(&now);
            (before, last) = (now, Instant::now());
        }
    }
}

fn show_alerts(face: &mut Face, alerts: &Receiver<site::Shown>) {
    for alert in alerts.try_iter() {
        face.alert(&alert);
    }
}

/// The address asked for, or the next one whose port is free.
async fn listen(asked: SocketAddr) -> anyhow::Result<TcpListener> {
    let mut address = asked;
    for port in (asked.port()..=u16::MAX).take(usize::from(PORTS_TRIED) + 1) {
        address.set_port(port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("listening on {address}")),
        }
    }
    bail!(
        "port {} and the {PORTS_TRIED} after it are taken: name a free one with --listen",
        asked.port()
    )
}

/// Returns at Ctrl-C or a polite kill.
async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// The folder of the demonstration's cases and journal.
struct Data {
    dir: PathBuf,
    kept: bool,
}

impl Data {
    fn new(asked: Option<&Path>) -> anyhow::Result<Self> {
        let (dir, kept) = match asked {
            Some(dir) => (dir.to_owned(), true),
            None => (
                std::env::temp_dir().join(format!("jingyou-demo-{}", std::process::id())),
                false,
            ),
        };
        std::fs::create_dir_all(&dir).with_context(|| format!("making the folder {}", dir.display()))?;
        Ok(Self { dir, kept })
    }

    fn said(&self) -> String {
        let dir = self.dir.display();
        if self.kept {
            format!("数据目录 data: {dir} (保留 kept)")
        } else {
            format!("数据目录 data: {dir} (结束时删除 removed at the end)")
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
