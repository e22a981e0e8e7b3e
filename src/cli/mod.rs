//! The commands, one a file. Exit codes: 0 all is well; 1 what was asked about is not (a failing test, a broken chain, a
//! refused rule folder); 2 wrong use or a fault that kept the command from its work.

mod demo;
mod generate;
mod out;
mod rules;
mod run;
mod screen;
mod upkeep;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Wrong use, or a fault.
pub const EXIT_FAULT: u8 = 2;
/// The thing asked about is not well.
const EXIT_UNWELL: u8 = 1;

/// 警邮: screens courier waybills and keeps the cases.
#[derive(Debug, Parser)]
#[command(name = "jingyou", version, max_term_width = 110, arg_required_else_help = true)]
#[command(
    about = "警邮:寄递面单实时筛查预警引擎 · real-time mail screening: waybills in, yellow and red out, cases kept"
)]
#[command(after_help = "\
示例 Examples:
  jingyou demo                                       看它工作:生成、筛查、立案、接口,一条命令
  jingyou screen waybills.ndjson --rules rules       筛查一个文件,预警以 NDJSON 输出
  jingyou generate --count 1000000 --seed 1 | jingyou screen - --rules rules > alerts.ndjson
  jingyou rules check rules && jingyou rules test rules
  jingyou run -c deploy/jingyou.toml                 连接 Kafka 正式运行

退出码 Exit codes: 0 正常 · 1 检查未通过 not well · 2 用法或运行错误 wrong use or fault")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 演示:一条命令看它工作 · everything at work in one process, on synthetic waybills
    Demo(demo::Args),
    /// 生成仿真面单 · write synthetic waybills with known findings
    Generate(generate::Args),
    /// 筛查文件或标准输入,预警输出到标准输出 · screen a file or stdin, alerts on stdout
    Screen(screen::Args),
    /// 规则:检查、测试、求值、解释 · rules: check, test, eval, explain
    #[command(subcommand)]
    Rules(rules::Command),
    /// 正式运行:Kafka、接口、案件 · run for real: Kafka, API, cases
    Run(run::Args),
    /// 检查配置 · check a configuration
    #[command(subcommand)]
    Config(upkeep::ConfigCommand),
    /// 重建状态库 · rebuild the store
    #[command(subcommand)]
    Store(upkeep::StoreCommand),
    /// 校验审计日志 · verify the audit log
    #[command(subcommand)]
    Audit(upkeep::AuditCommand),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(args) => demo::run(&args),
            Command::Generate(args) => generate::run(&args),
            Command::Screen(args) => screen::run(&args),
            Command::Rules(command) => rules::run(&command),
            Command::Run(args) => run::run(&args),
            Command::Config(command) => Ok(upkeep::config(&command)),
            Command::Store(command) => upkeep::store(&command),
            Command::Audit(command) => upkeep::audit(&command),
        }
    }
}
