//! `jingyou generate`: synthetic waybills on stdout or into a file, and the labels that say which carries what.

use super::out;
use anyhow::Context;
use jingyou::generate::{Generator, Options, Planted};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
示例 Examples:
  jingyou generate --count 1000000 --seed 1 --labels labels.ndjson > waybills.ndjson
  jingyou generate --count 5 --findings-per-million 1000000

人名、号码、地址均为随机生成,与真实个人无关。 All people are generated.")]
pub struct Args {
    /// 条数 · how many records
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// 随机种子,同一种子输出完全相同 · the same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 写出标注文件:哪条面单藏了什么 · write which waybill carries what, one JSON line each
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// 每百万条中的违禁件数 · planted findings in a million
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    findings_per_million: u32,
    /// 每百万条中的易误报件数 · innocents that look like contraband, in a million
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    near_miss_per_million: u32,
    /// 每件面单的事件数(收寄、到达、派送…) · events in a parcel's life, 1 to 6
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=6))]
    events: u8,
    /// 输出文件,默认标准输出 · output file, stdout if left out
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut generator = Generator::new(Options {
        count: args.count,
        seed: args.seed,
        findings_per_million: args.findings_per_million,
        near_miss_per_million: args.near_miss_per_million,
        events_per_waybill: args.events,
        ..Options::default()
    });
    let mut labels = args.labels.as_ref().map(|path| create(path)).transpose()?;
    let mut output: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::with_capacity(out::BUFFER_BYTES, std::io::stdout().lock())),
    };
    let mut line = Vec::new();
    while let Some(record) = generator.next_into(&mut line) {
        line.push(b'\n');
        if let Err(error) = output.write_all(&line) {
            return out::unless_closed(error, "waybills");
        }
        if let (Some(labels), Planted::Finding(label), 0) = (&mut labels, &record.planted, record.event_no) {
            serde_json::to_writer(&mut *labels, label).context("writing the labels")?;
            labels.write_all(b"\n").context("writing the labels")?;
        }
    }
    if let Some(mut labels) = labels {
        labels.flush().context("writing the labels")?;
    }
    match output.flush() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => out::unless_closed(error, "waybills"),
    }
}

fn create(path: &std::path::Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("{}: can't be written", path.display()))?;
    Ok(BufWriter::with_capacity(out::BUFFER_BYTES, file))
}
