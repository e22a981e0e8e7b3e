//! Senders and receivers: invented people and shops with names, phones, resident IDs and addresses. Who somebody is
//! depends on the seed and their number alone, so that the same person sends and receives again with the same
//! particulars. Leaves out what they send.

use super::draw::{Draw, Stream};
use super::line::{fill_digits, put, put_digits, put_number};
use super::phrases::phrases;
use super::regions::{Region, regions};
use std::sync::LazyLock;

/// The county whose parcels are generated: 平湖市.
pub(super) const HOME_REGION: &str = "330482";

/// How many in the pools that senders and receivers are drawn from, evenly.
const HOME_RESIDENTS: u32 = 600_000;
const RESIDENTS: u32 = 8_000_000;
const MERCHANTS: u32 = 250_000;

/// Where parcels come from and go to beyond the county: provinces with their shares, the e-commerce ones first.
const PROVINCE_SHARES: [(&str, usize); 31] = [
    ("33", 60),
    ("44", 52),
    ("32", 28),
    ("35", 18),
    ("31", 16),
    ("37", 14),
    ("13", 12),
    ("41", 9),
    ("34", 8),
    ("42", 6),
    ("51", 5),
    ("11", 5),
    ("43", 4),
    ("36", 4),
    ("21", 3),
    ("53", 3),
    ("50", 3),
    ("61", 3),
    ("12", 2),
    ("45", 2),
    ("14", 2),
    ("22", 1),
    ("23", 1),
    ("15", 1),
    ("46", 1),
    ("52", 1),
    ("54", 1),
    ("62", 1),
    ("63", 1),
    ("64", 1),
    ("65", 1),
];

static NAMES: LazyLock<Names> = LazyLock::new(Names::load);
static PLACES: LazyLock<Places> = LazyLock::new(Places::load);

struct Names {
    /// Each as often as its weight says.
    surnames: Vec<&'static str>,
    given_characters: Vec<&'static str>,
}

/// A county with what addresses and sites need of it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) region: &'static Region,
    pub(super) short_name: &'static str,
    towns: &'static [&'static str],
}

struct Places {
    counties: Vec<Place>,
    /// The counties of a province, as a range of `counties`, as often as its share says.
    provinces: Vec<(u32, u32)>,
    home: usize,
}

/// A sender or receiver.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) place: &'static Place,
    surname: &'static str,
    given: [&'static str; 2],
    phone: u64,
    id_no: [u8; 18],
    address: Address,
    pub(super) shop: Option<Shop>,
}

/// The part of an address after the county, by the road or by the community.
#[derive(Debug)]
enum Address {
    Road {
        road: &'static str,
        house: u32,
        room: u32,
    },
    Community {
        town: &'static str,
        community: &'static str,
        building: u32,
        room: u32,
    },
}

/// What an online shop has beside a person's particulars.
#[derive(Debug)]
pub(super) struct Shop {
    /// It sends under a contract, without showing an ID each time.
    pub(super) contract: bool,
    pub(super) platform: &'static str,
    /// The two halves of the shop's name.
    pub(super) name: [&'static str; 2],
    /// How its company's name ends, or empty for a shop without a company.
    org_tail: &'static str,
}

impl Party {
    /// Somebody who lives in the home county.
    pub(super) fn home_resident(seed: u64, draw: &mut Draw) -> Self {
        let number = draw.below(HOME_RESIDENTS);
        let mut draw = Draw::new(seed, Stream::HomeResident, u64::from(number));
        Self::draw(&mut draw, Place::home())
    }

    /// Somebody who lives anywhere.
    pub(super) fn resident(seed: u64, draw: &mut Draw) -> Self {
        let number = draw.below(RESIDENTS);
        let mut draw = Draw::new(seed, Stream::Resident, u64::from(number));
        let place = draw_place(&mut draw);
        Self::draw(&mut draw, place)
    }

    /// The person who sends for an online shop, anywhere.
    pub(super) fn merchant(seed: u64, draw: &mut Draw) -> Self {
        let number = draw.below(MERCHANTS);
        let mut draw = Draw::new(seed, Stream::Merchant, u64::from(number));
        let place = draw_place(&mut draw);
        let mut party = Self::draw(&mut draw, place);
        party.address = Address::on_road(&mut draw);
        party.shop = Some(Shop {
            contract: draw.percent(40),
            platform: draw.pick(&phrases().platforms),
            name: [draw.pick(&phrases().shop_heads), draw.pick(&phrases().shop_tails)],
            org_tail: if draw.percent(50) {
                draw.pick(&phrases().org_tails)
            } else {
                ""
            },
        });
        party
    }

    fn draw(draw: &mut Draw, place: &'static Place) -> Self {
        let surname = draw.pick(&NAMES.surnames);
        let first = draw.pick(&NAMES.given_characters);
        let second = if draw.percent(80) {
            draw.pick(&NAMES.given_characters)
        } else {
            ""
        };
        let birthplace = if draw.percent(70) { place } else { draw_place(draw) };
        Self {
            place,
            surname,
            given: [first, second],
            phone: draw_phone(draw),
            id_no: draw_id_no(draw, birthplace.region.code),
            address: Address::draw(draw, place.towns),
            shop: None,
        }
    }

    pub(super) fn put_name(&self, line: &mut Vec<u8>) {
        put(line, &[self.surname, self.given[0], self.given[1]]);
    }

    pub(super) fn put_phone(&self, line: &mut Vec<u8>) {
        put_digits(line, self.phone, 11);
    }

    pub(super) fn put_id_no(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.id_no);
    }

    /// Whether there is a company behind the sender.
    pub(super) fn has_org(&self) -> bool {
        self.shop.as_ref().is_some_and(|shop| !shop.org_tail.is_empty())
    }

    /// The company behind a shop, such as 平湖云朵商贸有限公司; nothing without one.
    pub(super) fn put_org(&self, line: &mut Vec<u8>) {
        if let Some(shop) = self.shop.as_ref().filter(|_| self.has_org()) {
            put(line, &[self.place.short_name, shop.name[0], shop.org_tail]);
        }
    }

    pub(super) fn put_address(&self, line: &mut Vec<u8>) {
        put(line, &[&self.place.region.full_name]);
        let room = match self.address {
            Address::Road { road, house, room } => {
                put(line, &[road]);
                put_number(line, house);
                put(line, &["号"]);
                room
            }
            Address::Community {
                town,
                community,
                building,
                room,
            } => {
                put(line, &[town, community]);
                put_number(line, building);
                put(line, &["幢"]);
                room
            }
        };
        put_number(line, room);
        put(line, &["室"]);
    }
}

impl Address {
    fn draw(draw: &mut Draw, towns: &[&'static str]) -> Self {
        if draw.percent(50) {
            return Self::on_road(draw);
        }
        Self::Community {
            town: draw.pick(towns),
            community: draw.pick(&phrases().communities),
            building: draw.between(1, 36),
            room: draw_room(draw),
        }
    }

    fn on_road(draw: &mut Draw) -> Self {
        Self::Road {
            road: draw.pick(&phrases().roads),
            house: draw.between(1, 999),
            room: draw_room(draw),
        }
    }
}

/// Floor and door, such as 1502.
fn draw_room(draw: &mut Draw) -> u32 {
    draw.between(1, 24) * 100 + draw.between(1, 6)
}

impl Place {
    /// The home county.
    pub(super) fn home() -> &'static Self {
        &PLACES.counties[PLACES.home]
    }

    /// The town of this place that its site `number` stands in, without its level.
    pub(super) fn site_town(&self, number: u32) -> &'static str {
        let town = self.towns[number as usize % self.towns.len()];
        town.strip_suffix("街道")
            .or_else(|| town.strip_suffix('镇'))
            .unwrap_or(town)
    }
}

/// A county by the shares of the provinces; within a province all alike.
fn draw_place(draw: &mut Draw) -> &'static Place {
    let (from, count) = draw.pick(&PLACES.provinces);
    &PLACES.counties[(from + draw.below(count)) as usize]
}

fn draw_phone(draw: &mut Draw) -> u64 {
    10_000_000_000 + u64::from(draw.between(3, 9)) * 1_000_000_000 + u64::from(draw.below(1_000_000_000))
}

/// A resident ID of GB 11643: region, date of birth, sequence, check digit.
fn draw_id_no(draw: &mut Draw, region: &str) -> [u8; 18] {
    let (year, month, day) = (draw.between(1950, 2004), draw.between(1, 12), draw.between(1, 28));
    let sequence = draw.between(1, 999);
    let mut id_no = [b'0'; 18];
    id_no[..6].copy_from_slice(region.as_bytes());
    fill_digits(&mut id_no[6..14], u64::from((year * 100 + month) * 100 + day));
    fill_digits(&mut id_no[14..17], u64::from(sequence));
    id_no[17] = id_check_digit(&id_no);
    id_no
}

/// The 18th character for the 17 before it, by ISO 7064 MOD 11-2.
pub(super) fn id_check_digit(id_no: &[u8; 18]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = id_no
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    b"10X98765432"[(sum % 11) as usize]
}

impl Names {
    fn load() -> Self {
        let mut surnames = Vec::new();
        for row in include_str!("data/surnames.csv").lines().skip(1) {
            let (surname, weight) = row.split_once(',').expect("a surname has a weight");
            surnames.extend(std::iter::repeat_n(
                surname,
                weight.parse().expect("a weight is a number"),
            ));
        }
        let given = include_str!("data/given_characters.txt");
        let given_characters = given
            .char_indices()
            .filter(|(_, character)| !character.is_whitespace())
            .map(|(at, character)| &given[at..at + character.len_utf8()])
            .collect();
        Self {
            surnames,
            given_characters,
        }
    }
}

impl Places {
    fn load() -> Self {
        let counties: Vec<Place> = regions()
            .within("")
            .iter()
            .filter(|region| region.is_county())
            .map(place)
            .collect();
        let mut provinces = Vec::new();
        for (province, share) in PROVINCE_SHARES {
            let from = counties.partition_point(|county| county.region.code < province);
            let count = counties[from..].partition_point(|county| county.region.code.starts_with(province));
            provinces.extend(std::iter::repeat_n((from as u32, count as u32), share));
        }
        let home = counties
            .iter()
            .position(|county| county.region.code == HOME_REGION)
            .expect("home is in the table");
        Self {
            counties,
            provinces,
            home,
        }
    }
}

fn place(region: &'static Region) -> Place {
    let towns = if region.code == HOME_REGION {
        &phrases().home_towns
    } else {
        &phrases().towns
    };
    Place {
        region,
        short_name: region.short_name(),
        towns,
    }
}
