//! One waybill: its content drawn from the seed and its index, and its events as JSON. Owns who sends what to whom and
//! which finding is in it; leaves out the order of events.

use super::Options;
use super::carriers::{Carrier, WaybillNo, draw_carrier};
use super::checks::Checks;
use super::draw::{Draw, Stream};
use super::goods::{ContrabandGroup, NearMiss, goods};
use super::item::Item;
use super::journey::Stop;
use super::label::{Colour, Disguise, Label, Planted};
use super::line::{put, put_digits, put_number};
use super::parties::{Party, Place, Shop};

/// Parcels in a hundred that come to the home county, and that leave it; the rest passes through.
const INBOUND_PERCENT: u32 = 70;
const OUTBOUND_PERCENT: u32 = 18;
/// Parcels in a hundred sent by an online shop, of those that come from elsewhere.
const MERCHANT_PERCENT: u32 = 70;
/// Findings in a hundred that are `C1`–`C3` rather than contraband by name.
const COMPLIANCE_PERCENT: u32 = 20;
/// Harmless parcels in a hundred whose carrier reports none of the three checks.
const UNREPORTED_PERCENT: u32 = 3;
/// Sites of a county.
const SITES: u32 = 48;

/// The content of a waybill.
pub(super) struct Waybill {
    seed: u64,
    index: u64,
    carrier: &'static Carrier,
    number: WaybillNo,
    kind: Kind,
    direction: Direction,
    sender: Party,
    receiver: Party,
    pickup: &'static str,
    item: Item,
    checks: Option<Checks>,
    payment: &'static str,
    cod_fen: u32,
}

/// What the waybill carries, and where its expected answer comes from.
#[derive(Clone, Copy)]
enum Kind {
    Clean,
    NearMiss(&'static NearMiss),
    Contraband {
        group: &'static str,
        name: &'static str,
        colour: Colour,
    },
    Compliance {
        category: &'static str,
        colour: Colour,
        goods: &'static str,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Inbound,
    Outbound,
    Transit,
}

impl Waybill {
    /// The waybill with this index in the run.
    pub(super) fn draw(options: &Options, index: u64) -> Self {
        let seed = options.seed;
        let mut draw = Draw::new(seed, Stream::Waybill, index);
        let carrier = draw_carrier(&mut draw);
        let direction = Direction::draw(&mut draw);
        let (sender, receiver) = draw_parties(&mut draw, seed, direction);
        let mut checks = Checks::passed(&mut draw);
        let (kind, item) = draw_content(&mut draw, options, &mut checks);
        let reported = !matches!(kind, Kind::Clean | Kind::NearMiss(_)) || !draw.percent(UNREPORTED_PERCENT);
        let payment = draw.pick(&["prepaid", "prepaid", "prepaid", "monthly", "monthly", "collect", "cod"]);
        Self {
            seed,
            index,
            carrier,
            number: carrier.waybill_no(seed, index),
            kind,
            direction,
            sender,
            receiver,
            pickup: draw.pick(&["door", "station", "station", "locker"]),
            cod_fen: if payment == "cod" { item.value_fen } else { 0 },
            payment,
            item,
            checks: reported.then_some(checks),
        }
    }

    /// What the waybill carries; allocates for a finding.
    pub(super) fn planted(&self) -> Planted {
        let (category, colour, goods) = match self.kind {
            Kind::Clean => return Planted::Clean,
            Kind::NearMiss(near_miss) => return Planted::NearMiss { goods: near_miss.name },
            Kind::Contraband { group, name, colour } => (group, colour, name),
            Kind::Compliance {
                category,
                colour,
                goods,
            } => (category, colour, goods),
        };
        Planted::Finding(Label {
            waybill_no: self.number.to_string(),
            category: category.to_owned(),
            colour,
            goods: goods.to_owned(),
            disguise: Disguise::Plain,
        })
    }

    /// Appends the event as a JSON object.
    pub(super) fn write_event(&self, line: &mut Vec<u8>, stop: &Stop, occurred_at: &str) {
        put(line, &["{\"waybill_no\":\""]);
        self.number.put(line);
        put(line, &["\",\"carrier\":\"", self.carrier.code]);
        self.put_stop(line, stop, occurred_at);
        self.put_sender(line);
        self.put_receiver(line);
        self.item.put(line, &self.carrier.leaves_out);
        if let Some(checks) = &self.checks {
            checks.put(line, &self.carrier.leaves_out);
        }
        self.put_payment_and_order(line);
        put(line, &["}"]);
    }

    fn put_stop(&self, line: &mut Vec<u8>, stop: &Stop, occurred_at: &str) {
        let mut draw = Draw::new(self.seed, Stream::Event, self.index << 3 | u64::from(stop.event_no));
        let event = if stop.events == 1 {
            self.draw_only_event(&mut draw)
        } else {
            event_of(stop)
        };
        let place = self.place_of(event);
        let site = draw.below(SITES);
        put(line, &["\",\"event\":\"", event, "\",\"occurred_at\":\"", occurred_at]);
        put(
            line,
            &[
                "\",\"direction\":\"",
                self.direction.key(),
                "\",\"site\":{\"code\":\"",
                place.region.code,
                "-",
            ],
        );
        put_digits(line, u64::from(site) + 1, 4);
        put(
            line,
            &[
                "\",\"name\":\"",
                place.short_name,
                place.site_town(site),
                self.carrier.name,
            ],
        );
        put(line, &["网点\",\"region\":\"", place.region.code, "\"}"]);
    }

    /// Where one event stands for the whole way, it is seen in the home county.
    fn draw_only_event(&self, draw: &mut Draw) -> &'static str {
        let at = draw.below(100);
        match self.direction {
            Direction::Inbound if at < 70 => "arrive",
            Direction::Inbound if at < 85 => "out_for_delivery",
            Direction::Inbound if at < 98 => "delivered",
            Direction::Inbound => "returned",
            Direction::Outbound if at < 60 => "accept",
            Direction::Transit if at < 50 => "arrive",
            Direction::Outbound | Direction::Transit => "depart",
        }
    }

    fn place_of(&self, event: &str) -> &'static Place {
        match (self.direction, event) {
            (Direction::Transit, "arrive" | "depart") => Place::home(),
            (_, "accept" | "depart") => self.sender.place,
            _ => self.receiver.place,
        }
    }

    fn put_sender(&self, line: &mut Vec<u8>) {
        put(line, &[",\"sender\":{\"name\":\""]);
        self.sender.put_name(line);
        put(line, &["\",\"phone\":\""]);
        self.sender.put_phone(line);
        if !self.sender.shop.as_ref().is_some_and(|shop| shop.contract) {
            put(line, &["\",\"id_type\":\"resident_id\",\"id_no\":\""]);
            self.sender.put_id_no(line);
        }
        if self.sender.has_org() || !self.carrier.leaves_out.empty {
            put(line, &["\",\"org\":\""]);
            self.sender.put_org(line);
        }
        put(line, &["\",\"address\":\""]);
        self.sender.put_address(line);
        put(line, &["\",\"region\":\"", self.sender.place.region.code, "\"}"]);
    }

    fn put_receiver(&self, line: &mut Vec<u8>) {
        put(line, &[",\"receiver\":{\"name\":\""]);
        self.receiver.put_name(line);
        put(line, &["\",\"phone\":\""]);
        self.receiver.put_phone(line);
        put(line, &["\",\"address\":\""]);
        self.receiver.put_address(line);
        put(line, &["\",\"region\":\"", self.receiver.place.region.code]);
        if !self.carrier.leaves_out.pickup {
            put(line, &["\",\"pickup\":\"", self.pickup]);
        }
        put(line, &["\"}"]);
    }

    fn put_payment_and_order(&self, line: &mut Vec<u8>) {
        let leaves_out = &self.carrier.leaves_out;
        if !leaves_out.payment {
            put(line, &[",\"payment\":{\"method\":\"", self.payment, "\",\"cod_fen\":"]);
            put_number(line, self.cod_fen);
            put(line, &["}"]);
        }
        match &self.sender.shop {
            Some(Shop { platform, name, .. }) if !leaves_out.order => {
                put(
                    line,
                    &[
                        ",\"order\":{\"platform\":\"",
                        platform,
                        "\",\"shop\":\"",
                        name[0],
                        name[1],
                        "\"}",
                    ],
                );
            }
            None if !leaves_out.empty => put(line, &[",\"order\":{\"platform\":\"\",\"shop\":\"\"}"]),
            _ => {}
        }
        if !leaves_out.empty {
            put(line, &[",\"extra\":{}"]);
        }
    }
}

/// The events of a way of 2 to 6.
fn event_of(stop: &Stop) -> &'static str {
    let way: &[&str] = match stop.events {
        2 => &["accept", "arrive"],
        3 => &["accept", "arrive", "delivered"],
        4 => &["accept", "depart", "arrive", "delivered"],
        5 => &["accept", "depart", "arrive", "out_for_delivery", "delivered"],
        _ => &["accept", "depart", "arrive", "arrive", "out_for_delivery", "delivered"],
    };
    way[usize::from(stop.event_no)]
}

fn draw_parties(draw: &mut Draw, seed: u64, direction: Direction) -> (Party, Party) {
    let sender = match direction {
        Direction::Outbound => Party::home_resident(seed, draw),
        _ if draw.percent(MERCHANT_PERCENT) => Party::merchant(seed, draw),
        _ => Party::resident(seed, draw),
    };
    let receiver = match direction {
        Direction::Inbound => Party::home_resident(seed, draw),
        _ => Party::resident(seed, draw),
    };
    (sender, receiver)
}

/// The goods, by the rates asked for; a compliance finding changes the checks.
fn draw_content(draw: &mut Draw, options: &Options, checks: &mut Checks) -> (Kind, Item) {
    let at = draw.below(1_000_000);
    let findings = options.findings_per_million;
    if at >= findings.saturating_add(options.near_miss_per_million) {
        let (_, item) = Item::clean(draw);
        checks.see(draw, item.xray_label);
        (Kind::Clean, item)
    } else if at >= findings {
        let near_miss = draw.pick_ref(&goods().near_misses);
        (Kind::NearMiss(near_miss), Item::near_miss(draw, near_miss))
    } else if draw.percent(COMPLIANCE_PERCENT) {
        let (declared, item) = Item::clean(draw);
        let (category, colour) = checks.fail(draw);
        (
            Kind::Compliance {
                category,
                colour,
                goods: declared.name,
            },
            item,
        )
    } else {
        let group: &ContrabandGroup = draw.pick_ref(&goods().contraband);
        let (name, colour) = draw.pick(&group.items);
        (
            Kind::Contraband {
                group: group.group,
                name,
                colour,
            },
            Item::contraband(draw, group.group, name),
        )
    }
}

impl Direction {
    fn draw(draw: &mut Draw) -> Self {
        let at = draw.below(100);
        if at < INBOUND_PERCENT {
            Self::Inbound
        } else if at < INBOUND_PERCENT + OUTBOUND_PERCENT {
            Self::Outbound
        } else {
            Self::Transit
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Transit => "transit",
        }
    }
}
