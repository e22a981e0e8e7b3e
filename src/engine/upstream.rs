//! What the API asks of the engine, answered.

use super::Engine;
use crate::api::{self, NotTaken, Receipt, RulesInForce, Totals, Unready};
use crate::case::Health;
use axum::body::Bytes;

impl api::Engine for Engine {
    fn submit(&self, body: Bytes) -> Result<Receipt, NotTaken> {
        match self.http() {
            Some(http) => http.take(body),
            None => Err(NotTaken::Unavailable("the engine is stopping".to_owned())),
        }
    }

    fn totals(&self) -> Totals {
        let totals = self.parts.metrics.reconcile();
        Totals {
            taken: totals.iter().map(|source| source.records).sum(),
            screened: totals.iter().map(|source| source.screened).sum(),
            refused: totals.iter().map(|source| source.refused).sum(),
            lag: self.kafka.as_ref().and_then(|_| self.parts.metrics.total_lag()),
        }
    }

    fn rules(&self) -> RulesInForce {
        let rules = self.parts.rules.load();
        RulesInForce {
            digest: rules.digest().to_owned(),
            rules: rules.rules().len(),
            loaded_at: self.loaded_at,
            stale: false,
        }
    }

    fn unready(&self) -> Vec<Unready> {
        let mut unready = Vec::new();
        if let Health::Degraded { reason, .. } | Health::Stopped { reason } = self.desk.health() {
            unready.push(Unready { part: "desk", reason });
        }
        if self
            .kafka
            .as_ref()
            .is_some_and(crate::intake::kafka::KafkaIntake::is_cut_off)
        {
            let reason = "no Kafka broker can be reached; trying on".to_owned();
            unready.push(Unready { part: "kafka", reason });
        }
        unready
    }

    fn metrics(&self) -> String {
        self.parts.metrics.render()
    }
}
