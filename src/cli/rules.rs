//! `jingyou rules …`: what a rule operator does all day.

use super::{EXIT_UNWELL, out};
use anyhow::{Context, bail};
use jingyou::ruleset::{self, Explanation, Folder, RuleSet, Subject, TestOutcome};
use jingyou::screen::{Mode, Scratch, Thresholds};
use jingyou::waybill::Decoder;
use serde_json::json;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// 检查规则目录:解析、编译,列出每个问题的位置和改法 · parse and compile; every problem with its place
    Check {
        /// 规则目录 · the rule folder
        #[arg(default_value = "rules")]
        dir: PathBuf,
    },
    /// 运行规则自带的测试 · run the rules' own tests
    Test {
        /// 规则目录 · the rule folder
        #[arg(default_value = "rules")]
        dir: PathBuf,
        /// 写出 JUnit 报告 · write a JUnit report
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// 逐条列出,而不只是未通过的 · list every test, not only those that fail
        #[arg(long, short)]
        verbose: bool,
    },
    /// 对任意 JSON 对象求值,每个命中输出一行 · run rules over any JSON objects, one line a hit
    Eval {
        /// 规则目录 · the rule folder
        #[arg(long, value_name = "DIR")]
        rules: PathBuf,
        /// 事件文件(NDJSON),`-` 为标准输入 · events, one JSON object a line; `-` is stdin
        events: PathBuf,
    },
    /// 解释一条规则为何命中或不命中 · why a rule matches a waybill, or doesn't
    Explain {
        /// 规则目录 · the rule folder
        #[arg(long, value_name = "DIR", default_value = "rules")]
        rules: PathBuf,
        /// 规则 id(或标题的一部分) · the rule's id, or part of its title
        #[arg(long, value_name = "ID")]
        rule: String,
        /// 输出 JSON · as JSON
        #[arg(long)]
        json: bool,
        /// 面单(一个 JSON 对象),`-` 为标准输入 · the waybill; `-` is stdin
        waybill: PathBuf,
    },
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { dir } => Ok(check(dir)),
        Command::Test { dir, junit, verbose } => test(dir, junit.as_deref(), *verbose),
        Command::Eval { rules, events } => eval(rules, events),
        Command::Explain {
            rules,
            rule,
            json,
            waybill,
        } => explain(rules, rule, *json, waybill),
    }
}

/// Loads a folder, or prints its problems on stderr and gives the exit code.
pub fn load(dir: &Path, subject: Subject) -> Result<RuleSet, ExitCode> {
    let loaded = Folder::read(dir).and_then(|folder| RuleSet::compile(&folder, subject, Thresholds::default()));
    loaded.map_err(|problems| {
        let count = problems.0.len();
        eprintln!("{problems}");
        eprintln!(
            "规则未加载:{count} 处问题 · nothing was loaded: {count} problem(s) in {}",
            dir.display()
        );
        ExitCode::from(EXIT_UNWELL)
    })
}

fn check(dir: &Path) -> ExitCode {
    let started = Instant::now();
    let set = match load(dir, Subject::Waybills) {
        Ok(set) => set,
        Err(code) => return code,
    };
    let tests: usize = set.rules().iter().map(|rule| rule.tests.len()).sum();
    println!(
        "规则检查通过 · rules are well: {} 条规则 rules ({} live, {} shadow), {tests} 个测试 tests, digest {}, {:.0} ms",
        set.rules().len(),
        set.count(Mode::Live),
        set.count(Mode::Shadow),
        set.digest(),
        started.elapsed().as_secs_f64() * 1000.0,
    );
    let always = set.screen().always_evaluated();
    if always > 0 {
        println!(
            "其中 {always} 条须对每件面单求值(条件中没有必须出现的内容) · {always} rule(s) are evaluated for every waybill"
        );
    }
    ExitCode::SUCCESS
}

fn test(dir: &Path, junit: Option<&Path>, verbose: bool) -> anyhow::Result<ExitCode> {
    let set = match load(dir, Subject::Waybills) {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let outcomes = ruleset::test(&set);
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    for outcome in &outcomes {
        match &outcome.failure {
            Some(failure) => println!(
                "✗ {}  {} · {}\n    {failure}",
                outcome.place, outcome.title, outcome.name
            ),
            None if verbose => println!("✓ {}  {} · {}", outcome.place, outcome.title, outcome.name),
            None => {}
        }
    }
    let without: Vec<_> = set.rules().iter().filter(|rule| rule.tests.is_empty()).collect();
    for rule in &without {
        println!(
            "! {}:{}  {}: 没有测试 · has no test",
            rule.file, rule.mark, rule.spec.title
        );
    }
    println!(
        "规则测试 · rule tests: {} 通过 passed, {failed} 未通过 failed, {} 条规则 rules, {} 条无测试 untested",
        outcomes.len() - failed,
        set.rules().len(),
        without.len()
    );
    if let Some(path) = junit {
        std::fs::write(path, junit_report(&outcomes))
            .with_context(|| format!("{}: can't be written", path.display()))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_UNWELL)
    })
}

/// The outcomes as a JUnit XML report.
fn junit_report(outcomes: &[TestOutcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"jingyou rules\" tests=\"{}\" failures=\"{failed}\">\n",
        outcomes.len()
    );
    for outcome in outcomes {
        let (name, class) = (escaped(&outcome.name), escaped(&outcome.title));
        let _ = write!(
            xml,
            "  <testcase classname=\"{class}\" name=\"{name}\" file=\"{}\"",
            escaped(&outcome.place)
        );
        let _ = match &outcome.failure {
            Some(failure) => writeln!(xml, "><failure message=\"{}\"/></testcase>", escaped(failure)),
            None => writeln!(xml, "/>"),
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escaped(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n' || *c == '\t')
        .collect()
}

/// Opens a file, or stdin for `-`.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("{}: can't be read", path.display()))?;
    Ok(Box::new(file))
}

fn eval(rules: &Path, events: &Path) -> anyhow::Result<ExitCode> {
    let set = match load(rules, Subject::AnyJson) {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let mut scratch = Scratch::new(set.screen());
    let mut output = BufWriter::with_capacity(out::BUFFER_BYTES, std::io::stdout().lock());
    let mut refused = 0_u64;
    for (number, line) in BufReader::with_capacity(out::BUFFER_BYTES, open(events)?)
        .split(b'\n')
        .enumerate()
    {
        let line = line.context("reading the events")?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let event = match decoder.decode(&line, &mut record) {
            Ok(event) => event,
            Err(refusal) => {
                eprintln!("line {}: {refusal}", number + 1);
                refused += 1;
                continue;
            }
        };
        let Some(verdict) = set.screen().run(&event, &mut scratch) else {
            continue;
        };
        for hit in verdict.hits.iter().chain(&verdict.shadow) {
            let level = set.rule(&hit.rule_id).map_or("", |rule| rule.level.as_str());
            let main = json!({"field": hit.field, "term": hit.term, "span": hit.span, "text": hit.text});
            let evidence: Vec<_> = std::iter::once(main)
                .chain(hit.also.iter().map(|also| json!(also)))
                .collect();
            let line = json!({"rule_id": hit.rule_id, "title": hit.title, "level": level, "event": number, "evidence": evidence});
            if let Err(error) = writeln!(output, "{line}") {
                return out::unless_closed(error, "hits");
            }
        }
    }
    if let Err(error) = output.flush() {
        return out::unless_closed(error, "hits");
    }
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_UNWELL)
    })
}

fn explain(rules: &Path, wanted: &str, as_json: bool, waybill: &Path) -> anyhow::Result<ExitCode> {
    let set = match load(rules, Subject::Waybills) {
        Ok(set) => set,
        Err(code) => return Ok(code),
    };
    let rule = match set.rule(wanted) {
        Some(rule) => rule,
        None => match set
            .rules()
            .iter()
            .filter(|rule| rule.spec.title.contains(wanted))
            .collect::<Vec<_>>()
            .as_slice()
        {
            [rule] => rule,
            [] => bail!("no rule has the id `{wanted}`, and none has it in its title"),
            several => {
                let list: String = several
                    .iter()
                    .map(|rule| format!("\n  {}  {}", rule.spec.id, rule.spec.title))
                    .collect();
                bail!("several rules have `{wanted}` in their title: give an id{list}")
            }
        },
    };
    let mut bytes = Vec::new();
    open(waybill)?
        .read_to_end(&mut bytes)
        .with_context(|| format!("{}: can't be read", waybill.display()))?;
    let decoder = Decoder::new(set.screen().schema().clone());
    let mut record = decoder.record();
    let waybill = decoder.decode(&bytes, &mut record)?;
    let explanation = ruleset::explain(rule, &waybill, set.screen().schema());
    if as_json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        let verdict = if explanation.holds {
            "命中 · matches"
        } else {
            "未命中 · does not match"
        };
        println!(
            "{} ({})\n{}:{}\n{verdict}\n",
            rule.spec.title, rule.spec.id, rule.file, rule.mark
        );
        let mut text = String::new();
        draw(
            &explanation,
            0,
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            &mut text,
        );
        print!("{text}");
    }
    Ok(if explanation.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_UNWELL)
    })
}

/// Draws the tree, a part a line.
fn draw(part: &Explanation, depth: usize, colored: bool, text: &mut String) {
    let mark = match (part.holds, colored) {
        (true, true) => "\u{1b}[32m✓\u{1b}[0m",
        (false, true) => "\u{1b}[31m✗\u{1b}[0m",
        (true, false) => "✓",
        (false, false) => "✗",
    };
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}{mark} {}", part.says);
    for (word, value) in [
        ("看到 saw", &part.saw),
        ("归一 normalised", &part.normalised),
        ("匹配 matched", &part.matched),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "{indent}    {word}: {value}");
        }
    }
    for part in &part.parts {
        draw(part, depth + 1, colored, text);
    }
}
