//! What the demonstration shows in the terminal: a panel that is redrawn in place, or plain lines where the output is a
//! pipe or a file. Owns words and layout; leaves out where the figures come from.

use super::columns::{Paint, fit, marked, number};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jingyou::alert::{Alert, Color};
use std::collections::VecDeque;
use std::time::Duration;
use time::macros::{format_description, offset};

/// Alerts that the panel shows.
const LATEST: usize = 5;
/// Terminal columns of the goods' name.
const GOODS_COLUMNS: usize = 28;
/// Terminal columns of a label in the panel and the summary.
const LABEL_COLUMNS: usize = 24;
/// Terminal columns of a figure.
const FIGURE_COLUMNS: usize = 12;

/// The figures at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Records screened.
    pub screened: u64,
    /// Records refused.
    pub refused: u64,
    /// Records screened a second, lately (or over all, in the summary).
    pub per_second: f64,
    /// Yellow alerts.
    pub yellow: u64,
    /// Red alerts.
    pub red: u64,
    /// Open cases.
    pub open_cases: u64,
    /// Time from a record's arrival to its alert being durable, 99th percentile.
    pub p99: Option<Duration>,
    /// Since the start.
    pub elapsed: Duration,
}

/// One of the two ways of showing.
#[derive(Debug)]
pub enum Face {
    /// Redrawn in place.
    Panel(Box<Panel>),
    /// One line after the other.
    Lines(Paint),
}

/// The panel: one bar of `indicatif` a line, which measures and truncates them to the terminal.
#[derive(Debug)]
pub struct Panel {
    screen: MultiProgress,
    /// Lines that stay as they are; a bar is taken off the screen when it is dropped.
    fixed: [ProgressBar; 5],
    figures: [ProgressBar; 2],
    alerts: Vec<ProgressBar>,
    latest: VecDeque<String>,
    paint: Paint,
}

impl Face {
    /// A panel on a terminal, else lines.
    pub fn new(terminal: bool, address: &str) -> Self {
        let paint = Paint::new(terminal);
        let head = format!(
            "{}  演示：合成运单，人员均为虚构 {}",
            paint.bold("警邮 jingyou"),
            paint.dim("demo: synthetic waybills, nobody in them is real")
        );
        let open = format!(
            "打开 open  {}    {}",
            paint.bold(address),
            paint.dim("Ctrl-C 结束 to end")
        );
        if !terminal {
            println!("{head}\n{open}");
            return Self::Lines(paint);
        }
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(8));
        let line = |text: &str| {
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = screen.add(ProgressBar::no_length().with_style(style));
            bar.set_message(text.to_owned());
            bar
        };
        let [head, open, gap] = [&head, &open, ""].map(&line);
        let figures = ["", ""].map(&line);
        let [second_gap, title] = ["", &format!("最近预警 {}", paint.dim("latest alerts"))].map(&line);
        let fixed = [head, open, gap, second_gap, title];
        let alerts = (0..LATEST).map(|_| line("")).collect();
        Self::Panel(Box::new(Panel {
            screen,
            fixed,
            figures,
            alerts,
            latest: VecDeque::with_capacity(LATEST + 1),
            paint,
        }))
    }

    /// Shows an alert.
    pub fn alert(&mut self, alert: &Alert) {
        match self {
            Self::Panel(panel) => panel.alert(alert),
            Self::Lines(paint) => println!("{}", alert_line(alert, *paint)),
        }
    }

    /// Shows the figures as they are now.
    pub fn figures(&self, now: &Reading) {
        match self {
            Self::Panel(panel) => panel.figures(now),
            Self::Lines(_) => println!(
                "{:>5} s  已筛查 screened {}  每秒 per second {}  黄 yellow {}  红 red {}  在办 open cases {}  p99 {}",
                now.elapsed.as_secs(),
                number(now.screened),
                number(now.per_second as u64),
                number(now.yellow),
                number(now.red),
                number(now.open_cases),
                latency(now.p99)
            ),
        }
    }

    /// Takes the panel away and prints the summary.
    pub fn finish(self, over_all: &Reading) {
        let paint = match self {
            Self::Panel(panel) => {
                panel.figures(over_all);
                for bar in panel.fixed.iter().chain(&panel.figures).chain(&panel.alerts) {
                    bar.abandon();
                }
                drop(panel.screen);
                panel.paint
            }
            Self::Lines(paint) => paint,
        };
        println!("\n{}", summary(over_all, paint));
    }
}

impl Panel {
    fn alert(&mut self, alert: &Alert) {
        self.latest.push_front(alert_line(alert, self.paint));
        self.latest.truncate(LATEST);
        for (bar, line) in self.alerts.iter().zip(&self.latest) {
            bar.set_message(line.clone());
        }
    }

    fn figures(&self, now: &Reading) {
        let cell = |label: &str, figure: String| {
            format!(
                "{} {}   ",
                fit(label, LABEL_COLUMNS),
                self.paint.bold(format!("{figure:>FIGURE_COLUMNS$}"))
            )
        };
        self.figures[0].set_message(
            cell("已筛查 screened", number(now.screened))
                + &cell("每秒 per second", number(now.per_second as u64))
                + &cell("p99 延迟 latency", latency(now.p99)),
        );
        self.figures[1].set_message(
            cell("黄色预警 yellow", number(now.yellow))
                + &cell("红色预警 red", number(now.red))
                + &cell("在办案件 open cases", number(now.open_cases)),
        );
    }
}

fn latency(p99: Option<Duration>) -> String {
    match p99 {
        None => "-".to_owned(),
        Some(p99) => format!("{:.1} ms", p99.as_secs_f64() * 1e3),
    }
}

/// Time, colour, carrier, waybill, goods with what matched, the strongest rule.
fn alert_line(alert: &Alert, paint: Paint) -> String {
    let at = alert
        .raised_at
        .to_offset(offset!(+8))
        .format(format_description!("[hour]:[minute]:[second]"))
        .unwrap_or_default();
    let color = match alert.color {
        Color::Yellow => paint.yellow(" 黄 "),
        Color::Red => paint.red(" 红 "),
    };
    let spans: Vec<[u32; 2]> = alert
        .hits
        .iter()
        .filter(|hit| hit.field == "item.name")
        .filter_map(|hit| hit.span)
        .collect();
    // What matched outside the goods' name stands after the rule.
    let why = alert
        .hits
        .first()
        .map_or_else(String::new, |hit| match hit.field.as_str() {
            "item.name" | "" => hit.title.clone(),
            _ => format!("{} {}", hit.title, paint.dim(format!("{}: {}", hit.field, hit.text))),
        });
    format!(
        "{at} {color} {} {} {} {why}",
        fit(&alert.carrier, 6),
        fit(&alert.waybill_no, 16),
        marked(&alert.goods.name, &spans, GOODS_COLUMNS, paint)
    )
}

fn summary(over_all: &Reading, paint: Paint) -> String {
    let rows = [
        ("用时 time", format!("{:.1} s", over_all.elapsed.as_secs_f64())),
        ("已筛查 screened", number(over_all.screened)),
        ("拒收 refused", number(over_all.refused)),
        ("平均每秒 mean per second", number(over_all.per_second as u64)),
        ("黄色预警 yellow", number(over_all.yellow)),
        ("红色预警 red", number(over_all.red)),
        ("在办案件 open cases", number(over_all.open_cases)),
        ("p99 延迟 latency", latency(over_all.p99)),
    ];
    let lines = rows.map(|(label, figure)| format!("  {} {figure:>FIGURE_COLUMNS$}", fit(label, LABEL_COLUMNS)));
    format!("{}\n{}", paint.bold("小结 summary"), lines.join("\n"))
}
