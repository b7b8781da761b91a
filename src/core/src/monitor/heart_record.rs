//! A heartbeat as a record, and back. What cannot be is refused.

use super::heart::{Heart, Level, Watch};
use crate::directive::Numbers;
use crate::ids::SlotRef;
use crate::memory::{Head, Record};
use crate::plan::{HeartbeatPlan, LimitPlan};
use crate::time::{Mono, Span};
use crate::words::{Odd, Reader, Words, Writer};

const SUSPENDED: u64 = 1;
const TOO_MANY: u64 = 2;
const RETIRES: u64 = 4;

impl Heart {
    /// Its head says that it is supervised; its slot is the entity's to own.
    pub(super) fn record(&self) -> Record {
        let head = Head { active: self.watch.is_some(), ..Head::default() };
        Record { head, words: self.encode() }
    }

    fn encode(&self) -> Words {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let too_many = self.watch.is_some_and(|watch| watch.too_many);
        let retires = self.watch.is_some_and(|watch| watch.retires);
        let mut words = Writer::new();
        words
            .put(
                flag(self.suspended, SUSPENDED) | flag(too_many, TOO_MANY) | flag(retires, RETIRES),
            )
            .put_due(self.fresh)
            .put(self.told.map_or(0, |(slot, _)| slot.to_word()))
            .put(self.told.map_or(0, |(_, interval)| interval.0))
            .put(self.given.map_or(0, |(slot, _)| slot.to_word()))
            .put(self.given.map_or(0, |(_, numbers)| numbers.interval.0))
            .put(self.given.map_or(0, |(_, numbers)| u64::from(numbers.low)))
            .put(self.given.map_or(0, |(_, numbers)| u64::from(numbers.high)))
            .put(self.watch.map_or(0, |watch| watch.slot.to_word()));
        let Some(watch) = self.watch else { return words.finish() };
        words
            .put(watch.interval.0)
            .put(u64::from(watch.low))
            .put(u64::from(watch.high))
            .put(watch.most.map_or(0, |most| u64::from(most.count)))
            .put(watch.most.map_or(0, |most| most.within.0))
            .put(watch.from.0)
            .put(match watch.level {
                Level::Healthy => 0,
                Level::Low => 1,
                Level::High => 2,
            })
            .put(u64::from(watch.missed))
            .put(watch.last.0)
            .put(watch.window.0)
            .put(u64::from(watch.in_window));
        words.finish()
    }

    pub(super) fn decode(words: &Words) -> Result<Heart, Odd> {
        let mut from = Reader::new(words);
        let flags = from.get()?;
        let fresh = from.get_due()?;
        let (told, interval) = (from.get_slot()?, Span(from.get()?));
        let given = from.get_slot()?;
        let (interval_given, low, high) = (Span(from.get()?), from.get_u32()?, from.get_u32()?);
        let numbers = Numbers { interval: interval_given, low, high };
        if given.is_some() && numbers.sound().is_err() {
            return Err(Odd);
        }
        let watch = match from.get_slot()? {
            Some(slot) => Some(Watch {
                too_many: flags & TOO_MANY != 0,
                retires: flags & RETIRES != 0,
                ..watch(slot, &mut from)?
            }),
            None => None,
        };
        from.finish()?;
        let told = told.map(|slot| (slot, interval));
        let given = given.map(|slot| (slot, numbers));
        let heart = Heart { suspended: flags & SUSPENDED != 0, fresh, told, given, watch };
        if heart.encode() == *words { Ok(heart) } else { Err(Odd) }
    }
}

fn watch(slot: SlotRef, from: &mut Reader<'_>) -> Result<Watch, Odd> {
    let interval = Span(from.get()?);
    // A shorter one would be all that the monitor does.
    if interval < HeartbeatPlan::SHORTEST {
        return Err(Odd);
    }
    let (low, high) = (from.get_u32()?, from.get_u32()?);
    let most = LimitPlan { count: from.get_u32()?, within: Span(from.get()?) };
    Ok(Watch {
        slot,
        interval,
        low,
        high,
        most: Some(most).filter(|most| most.count > 0),
        from: Mono(from.get()?),
        level: match from.get()? {
            0 => Level::Healthy,
            1 => Level::Low,
            2 => Level::High,
            _ => return Err(Odd),
        },
        missed: from.get_u32()?,
        last: Mono(from.get()?),
        window: Mono(from.get()?),
        in_window: from.get_u32()?,
        too_many: false,
        retires: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_survives_its_record() {
        let slot = SlotRef { index: 9, generation: 3 };
        let watch = Watch {
            slot,
            interval: Span::seconds(2),
            low: 2,
            high: 5,
            most: Some(LimitPlan { count: 7, within: Span::seconds(1) }),
            from: Mono(1),
            level: Level::Low,
            missed: 3,
            last: Mono(2),
            window: Mono(3),
            in_window: 4,
            too_many: true,
            retires: false,
        };
        let told = Some((slot, Span::millis(10)));
        let fresh = Some(Mono(6));
        let numbers = Numbers { interval: Span::millis(20), low: 3, high: 4 };
        let given = Some((slot, numbers));
        for heart in [
            Heart::default(),
            Heart { suspended: true, ..Heart::default() },
            Heart { suspended: true, fresh, told, given, watch: Some(watch) },
            Heart { given, ..Heart::default() },
            Heart { watch: Some(Watch { most: None, retires: true, ..watch }), ..Heart::default() },
        ] {
            let record = heart.record();
            assert_eq!(Heart::decode(&record.words), Ok(heart));
            assert_eq!(record.head.active, heart.watch.is_some());
        }
        let hasty = Some((slot, Numbers { interval: Span(1), ..numbers }));
        let hasty = Heart { given: hasty, ..Heart::default() };
        assert_eq!(Heart::decode(&hasty.record().words), Err(Odd));
        let short = Watch { interval: Span(1), ..watch };
        let short = Heart { watch: Some(short), ..Heart::default() };
        assert_eq!(Heart::decode(&short.record().words), Err(Odd));
    }
}
