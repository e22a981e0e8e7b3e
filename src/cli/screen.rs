//! `jingyou screen`: a file or stdin through the whole screen; alerts on stdout, a summary on stderr.

use super::{EXIT_UNWELL, out, rules};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jingyou::alert::{Alert, Color, Finding, Known, Merged, SubjectKey, merge};
use jingyou::engine::lane::{Lane, Passed};
use jingyou::intake::lines::{At, Framing, Next, Records};
use jingyou::intake::rejects::{DeadLetter, Place, RejectsFile};
use jingyou::ruleset::{RuleSet, Subject};
use jingyou::waybill::{Mapping, Reason, Refusal};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
输出 Output: 每条预警一行 JSON。同一面单的新发现会以相同 alert_id、更大的 revision 再输出一行。
  One JSON line an alert; a later finding on the same waybill repeats the alert_id with a higher revision.

示例 Examples:
  jingyou screen waybills.ndjson --rules rules > alerts.ndjson
  jingyou screen day.csv --rules rules --rejects refused.ndjson
  zcat day.ndjson.gz | jingyou screen - --rules rules | jq -c 'select(.color==\"red\")'
  jingyou screen yto.ndjson --rules rules --map deploy/mappings/courier-json.yml

退出码 Exit codes: 0 全部筛查 all screened · 1 有记录被拒且未给 --rejects,或规则有误 some were refused and not kept, or the
  rules are wrong · 2 用法或读写错误 wrong use, or a fault")]
pub struct Args {
    /// 面单文件,`-` 为标准输入 · waybills; `-` is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// 规则目录 · the rule folder
    #[arg(long, value_name = "DIR", default_value = "rules")]
    rules: PathBuf,
    /// 格式,默认按扩展名 · format; by the file's ending if left out
    #[arg(long)]
    format: Option<Format>,
    /// 被拒记录写入此文件(含原文,仅本人可读) · keep refused records, with the original, readable by you only
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// 企业字段映射 · the carrier's field mapping
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// 不显示进度条 · no progress bar
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object a line.
    Ndjson,
    /// A header row of dotted paths (or the carrier's names, with --map), then rows.
    Csv,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rules = match rules::load(&args.rules, Subject::Waybills) {
        Ok(rules) => Arc::new(rules),
        Err(code) => return Ok(code),
    };
    let mapping = args.map.as_deref().map(read_mapping).transpose()?.map(Arc::new);
    let rejects = args
        .rejects
        .as_deref()
        .map(|path| RejectsFile::create(path).with_context(|| format!("{}: can't be written", path.display())));
    let from = rules::open(&args.file)?;
    let progress = progress(args);
    let mut screening = Screening {
        source: args.file.display().to_string(),
        output: BufWriter::with_capacity(out::BUFFER_BYTES, std::io::stdout().lock()),
        rejects: rejects.transpose()?,
        known: HashMap::new(),
        totals: Totals::default(),
    };
    let format = args.format.unwrap_or_else(|| by_ending(&args.file));
    let started = Instant::now();
    let done = screening.stream(from, format, rules, mapping, &progress);
    progress.finish_and_clear();
    match done {
        Ok(()) => {}
        Err(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => return out::unless_closed(error, "alerts"),
            Err(error) => return Err(error),
        },
    }
    screening.totals.print(started.elapsed());
    let lost = screening.totals.refused() > 0 && args.rejects.is_none();
    Ok(if lost {
        ExitCode::from(EXIT_UNWELL)
    } else {
        ExitCode::SUCCESS
    })
}

fn by_ending(path: &Path) -> Format {
    let is_csv = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if is_csv { Format::Csv } else { Format::Ndjson }
}

fn read_mapping(path: &Path) -> anyhow::Result<Mapping> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: can't be read", path.display()))?;
    Mapping::parse(&text).map_err(|error| anyhow::anyhow!("{}:{error}", path.display()))
}

/// A bar when the length is known, a spinner when it is not, nothing when nobody looks.
fn progress(args: &Args) -> ProgressBar {
    let length = File::open(&args.file)
        .and_then(|file| file.metadata())
        .ok()
        .filter(std::fs::Metadata::is_file);
    let bar = match &length {
        Some(file) => ProgressBar::new(file.len()).with_style(
            ProgressStyle::with_template("{bar:30} {percent:>3}% {binary_bytes_per_sec} 剩余 {eta} · {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        ),
        None => ProgressBar::new_spinner(),
    };
    let hidden = args.quiet || !std::io::stderr().is_terminal();
    bar.set_draw_target(if hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(5)
    });
    bar
}

/// Records between two looks at the progress bar.
const RECORDS_A_TICK: u64 = 4096;

struct Screening<W: Write> {
    source: String,
    output: W,
    rejects: Option<RejectsFile>,
    /// What is known of each waybill that has an alert.
    known: HashMap<String, Known>,
    totals: Totals,
}

impl<W: Write> Screening<W> {
    fn stream(
        &mut self,
        from: impl Read,
        format: Format,
        rules: Arc<RuleSet>,
        mapping: Option<Arc<Mapping>>,
        progress: &ProgressBar,
    ) -> anyhow::Result<()> {
        // Nothing here outlives the command, so any key will do for the hashes of identities.
        let key = SubjectKey::new(b"");
        let framing = if format == Format::Csv {
            Framing::Csv
        } else {
            Framing::Lines
        };
        let mut records = Records::new(from, framing);
        let mut lane = match format {
            Format::Ndjson => Lane::new(rules, mapping, key),
            Format::Csv => match records.next_record().context("reading the waybills")? {
                Some(Next::Record(_, header)) => Lane::csv(rules, mapping, key, header)?,
                Some(Next::TooLarge(_)) => bail!("the header row is longer than any header: is it a CSV file?"),
                None => return Ok(()),
            },
        };
        loop {
            match records.next_record().context("reading the waybills")? {
                None => break,
                Some(Next::Record(at, bytes)) => self.record(&mut lane, at, bytes)?,
                Some(Next::TooLarge(at)) => self.too_large(&mut records, at)?,
            }
            if self.totals.records.is_multiple_of(RECORDS_A_TICK) {
                progress.set_position(records.offset());
                progress.set_message(self.totals.line());
            }
        }
        if let Some(rejects) = &mut self.rejects {
            rejects.flush().context("writing the rejects")?;
        }
        self.output.flush()?;
        Ok(())
    }

    fn record(&mut self, lane: &mut Lane, at: At, bytes: &[u8]) -> anyhow::Result<()> {
        self.totals.records += 1;
        match lane.pass(bytes) {
            Passed::Clean => {}
            Passed::Hit(screened) => {
                if let Some(finding) = screened.finding {
                    self.found(&finding)?;
                }
            }
            Passed::Refused(refusal) => {
                self.totals.refuse(refusal.reason);
                if let Some(rejects) = &mut self.rejects {
                    let letter = DeadLetter {
                        source: &self.source,
                        place: Place::Line(at),
                        refusal: &refusal,
                        key: None,
                        original: bytes,
                    };
                    rejects.write(&letter).context("writing the rejects")?;
                }
            }
        }
        Ok(())
    }

    fn too_large<R: Read>(&mut self, records: &mut Records<R>, at: At) -> anyhow::Result<()> {
        self.totals.records += 1;
        let refusal = Refusal::too_large();
        self.totals.refuse(refusal.reason);
        if let Some(rejects) = &mut self.rejects {
            let copy = |into: &mut dyn Write| records.copy_too_large(into);
            rejects
                .write_streamed(&self.source, Place::Line(at), &refusal, copy)
                .context("writing the rejects")?;
        }
        Ok(())
    }

    /// Merges a finding into what is known, and writes the alert when that changed anything.
    fn found(&mut self, finding: &Finding) -> anyhow::Result<()> {
        let known = self.known.entry(finding.waybill_no.clone()).or_default();
        let alert = match merge(finding, known, OffsetDateTime::now_utc()) {
            Merged::Raised(alert) => {
                self.totals.raise(alert.color);
                alert
            }
            Merged::Superseded { red, yellow } => {
                self.totals.raise(Color::Red);
                known.yellow = Some(*yellow);
                red
            }
            Merged::Joined(alert) => alert,
            Merged::Seen(_) => return Ok(()),
        };
        serde_json::to_writer(&mut self.output, &Line::of(&alert)).map_err(std::io::Error::from)?;
        self.output.write_all(b"\n")?;
        match alert.color {
            Color::Yellow => known.yellow = Some(*alert),
            Color::Red => known.red = Some(*alert),
        }
        Ok(())
    }
}

/// An alert as a line of output.
#[derive(Serialize)]
struct Line<'a> {
    alert_id: String,
    color: Color,
    waybill_no: &'a str,
    carrier: &'a str,
    category: &'a str,
    score: u32,
    goods: &'a str,
    event: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    region: &'a str,
    respond: &'a [String],
    hits: &'a [jingyou::screen::Hit],
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<String>,
    revision: u32,
    rule_set: &'a str,
}

impl<'a> Line<'a> {
    fn of(alert: &'a Alert) -> Self {
        Self {
            alert_id: alert.alert_id.to_string(),
            color: alert.color,
            waybill_no: &alert.waybill_no,
            carrier: &alert.carrier,
            category: &alert.category,
            score: alert.score,
            goods: &alert.goods.name,
            event: &alert.event,
            occurred_at: alert.last_seen_at,
            region: &alert.region,
            respond: &alert.respond,
            hits: &alert.hits,
            supersedes: alert.supersedes.map(|id| id.to_string()),
            revision: alert.revision,
            rule_set: &alert.rule_set,
        }
    }
}

/// What was seen, for the summary.
#[derive(Default)]
struct Totals {
    records: u64,
    yellow: u64,
    red: u64,
    reasons: Vec<(Reason, u64)>,
}

impl Totals {
    fn raise(&mut self, color: Color) {
        match color {
            Color::Yellow => self.yellow += 1,
            Color::Red => self.red += 1,
        }
    }

    fn refuse(&mut self, reason: Reason) {
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.reasons.push((reason, 1)),
        }
    }

    fn refused(&self) -> u64 {
        self.reasons.iter().map(|(_, count)| count).sum()
    }

    fn line(&self) -> String {
        format!(
            "{} 条 records · 黄 yellow {} · 红 red {}",
            self.records, self.yellow, self.red
        )
    }

    fn print(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        eprintln!("面单 records   {:>12}", out::grouped(self.records));
        eprintln!("筛查 screened  {:>12}", out::grouped(self.records - self.refused()));
        eprintln!("拒收 rejected  {:>12}", out::grouped(self.refused()));
        for (reason, count) in &self.reasons {
            eprintln!("  {:<15}{:>10}", reason.as_str(), out::grouped(*count));
        }
        eprintln!("黄色 yellow    {:>12}", out::grouped(self.yellow));
        eprintln!("红色 red       {:>12}", out::grouped(self.red));
        eprintln!(
            "用时 {seconds:.2} s · {} 条/秒 rec/s",
            out::grouped((self.records as f64 / seconds.max(1e-9)) as u64)
        );
    }
}
