//! The commands that look after a site: `config check`, `store rebuild`, `audit verify`.

use super::EXIT_UNWELL;
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use jingyou::{case, config};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// 检查配置:文件、环境变量、规则、映射、目录、监听地址;通过时打印生效配置(密码已遮蔽) · check a configuration and
    /// print what is in effect, secrets masked
    Check {
        /// 配置文件;省略时只看默认值和 JINGYOU_* 环境变量 · without it: defaults and JINGYOU_* alone
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum StoreCommand {
    /// 由日志重建状态库(引擎须已停止) · build the store anew from the journal; the engine must be stopped
    Rebuild {
        /// 数据目录 · the data folder
        #[arg(default_value = "data")]
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// 校验日志的哈希链 · check the journal's hash chain from the first line to the last
    Verify {
        /// 数据目录 · the data folder
        #[arg(default_value = "data")]
        dir: PathBuf,
    },
}

pub fn config(command: &ConfigCommand) -> ExitCode {
    let ConfigCommand::Check { config: file } = command;
    let config = match config::load(file.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_UNWELL);
        }
    };
    let problems = config::check(&config);
    for problem in &problems {
        eprintln!("{problem}");
    }
    let rules = RuleSet::load(&config.rules.dir, Thresholds::default());
    if let Err(problems) = &rules {
        eprintln!("{problems}");
    }
    if !problems.is_empty() || rules.is_err() {
        eprintln!("配置检查未通过 · the configuration is not well");
        return ExitCode::from(EXIT_UNWELL);
    }
    print!("{}", config::effective(&config));
    eprintln!("配置检查通过 · the configuration is well");
    ExitCode::SUCCESS
}

pub fn store(command: &StoreCommand) -> anyhow::Result<ExitCode> {
    let StoreCommand::Rebuild { dir } = command;
    let report = case::rebuild(dir)?;
    println!(
        "状态库已重建 · store rebuilt: {} 条日志 entries, {} 条预警 alerts, {} 个案件 cases",
        report.entries, report.counts.alerts, report.counts.cases
    );
    if let Some(torn) = &report.torn {
        println!(
            "日志末尾有一行未写完({} bytes),已移到 · a torn last line was moved aside: {}",
            torn.bytes,
            torn.path.display()
        );
    }
    if let Some(old) = &report.moved_to {
        println!(
            "旧状态库在 {},确认无误后可删除 · the old store can be deleted",
            old.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub fn audit(command: &AuditCommand) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify { dir } = command;
    verify(dir)
}

fn verify(dir: &Path) -> anyhow::Result<ExitCode> {
    let report = case::verify(dir)?;
    let at = |at: Option<time::OffsetDateTime>| {
        at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
            .unwrap_or_else(|| "-".to_owned())
    };
    println!("日志 journal  {}", report.path.display());
    println!("条数 entries  {} ({} bytes)", report.entries, report.bytes);
    println!(
        "时间 from     {}\n     to       {}",
        at(report.first_at),
        at(report.last_at)
    );
    println!("链头 head     {}", report.head);
    match &report.broken {
        None => {
            println!("完整 · whole");
            Ok(ExitCode::SUCCESS)
        }
        Some(broken) => {
            println!(
                "断裂 · BROKEN: line {}, entry {}, byte {}: {}",
                broken.line, broken.seq, broken.offset, broken.fault
            );
            Ok(ExitCode::from(EXIT_UNWELL))
        }
    }
}
