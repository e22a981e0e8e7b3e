//! The three compliance records of a parcel (实名收寄, 收寄验视, 过机安检), passed or failed. Leaves out which parcels
//! fail.

use super::carriers::LeftOut;
use super::draw::Draw;
use super::label::Colour;
use super::line::{put, put_bool, put_digits};

/// The three compliance records.
pub(super) struct Checks {
    verified: bool,
    name_match: bool,
    method: &'static str,
    opened: bool,
    inspection: &'static str,
    officer: u32,
    machine: u32,
    xray: &'static str,
    xray_label: &'static str,
}

impl Checks {
    pub(super) fn passed(draw: &mut Draw) -> Self {
        Self {
            verified: true,
            name_match: true,
            method: draw.pick(&["id_card", "id_card", "account", "face"]),
            opened: true,
            inspection: "pass",
            officer: draw.below(10_000),
            machine: draw.between(1, 40),
            xray: "pass",
            xray_label: "",
        }
    }

    /// The X-ray mostly names what harmless goods show.
    pub(super) fn see(&mut self, draw: &mut Draw, label: &'static str) {
        if draw.percent(70) {
            self.xray_label = label;
        }
    }

    /// Makes one of the checks fail; gives the finding's category and colour.
    pub(super) fn fail(&mut self, draw: &mut Draw) -> (&'static str, Colour) {
        match draw.below(3) {
            0 => {
                self.verified = draw.percent(50);
                self.name_match = !self.verified && draw.percent(50);
                ("C1", Colour::Yellow)
            }
            1 => {
                // a parcel that nobody opened is stamped as passed all the same
                self.opened = draw.percent(50);
                self.inspection = if self.opened { "fail" } else { "pass" };
                ("C2", Colour::Yellow)
            }
            _ => {
                self.xray = draw.pick(&["suspect", "fail"]);
                self.xray_label = draw.pick(&["knife", "gun", "explosive"]);
                let colour = if self.xray_label == "knife" {
                    Colour::Yellow
                } else {
                    Colour::Red
                };
                ("C3", colour)
            }
        }
    }

    pub(super) fn put(&self, line: &mut Vec<u8>, leaves_out: &LeftOut) {
        put(line, &[",\"real_name\":{\"verified\":"]);
        put_bool(line, self.verified);
        if !leaves_out.method {
            put(line, &[",\"method\":\"", self.method, "\""]);
        }
        put(line, &[",\"name_match\":"]);
        put_bool(line, self.name_match);
        put(line, &["},\"inspection\":{\"opened\":"]);
        put_bool(line, self.opened);
        put(line, &[",\"result\":\"", self.inspection]);
        if !leaves_out.officer {
            put(line, &["\",\"officer\":\"K"]);
            put_digits(line, u64::from(self.officer), 4);
        }
        put(line, &["\"},\"xray\":{\"machine\":\"XR-"]);
        put_digits(line, u64::from(self.machine), 2);
        put(line, &["\",\"result\":\"", self.xray, "\",\"labels\":["]);
        if !self.xray_label.is_empty() {
            put(line, &["\"", self.xray_label, "\""]);
        }
        put(line, &["]}"]);
    }
}
