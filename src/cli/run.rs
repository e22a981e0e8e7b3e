//! `jingyou run`: the engine with its API, as a process.

use anyhow::Context;
use jingyou::config::{Config, load};
use jingyou::engine::{Engine, serve};
use jingyou::telemetry;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// 配置文件,缺省时全部取缺省值 · configuration; without it every key has its default
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config: Config = load(args.config.as_deref())?;
    telemetry::init(&config.log)?;
    let engine = Engine::start(&config).context("not started")?;
    let rules = engine.rules();
    tracing::info!(rules = rules.rules().len(), digest = rules.digest(), "screening");
    serve(engine, &config, |address| eprintln!("jingyou: http://{address}/"))?;
    Ok(ExitCode::SUCCESS)
}
