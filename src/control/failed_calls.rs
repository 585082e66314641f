//! What AWS refuses or throttles of the calls that a run makes, for the report.

use crate::control::Control;
use crate::run::{CalledBy, FailedCalls};

impl Control<'_> {
    /// Puts down that a call of the account for something was answered with an error, and whether nobody makes it again.
    pub(super) fn note_failed_call(&mut self, action: &'static str, target: String, error: &str, is_given_up: bool) {
        self.note_failed_call_of(CalledBy::Account, action, target, error, is_given_up);
    }

    /// The same of somebody's call.
    pub(super) fn note_failed_call_of(
        &mut self,
        called_by: CalledBy,
        action: &'static str,
        target: String,
        error: &str,
        is_given_up: bool,
    ) {
        let now = self.now();
        let rows = &mut self.records.failed_calls;
        let place = rows.iter().position(|it| (it.called_by, it.action) == (called_by, action) && it.error == error);
        let place = place.unwrap_or_else(|| {
            rows.push(FailedCalls {
                action,
                called_by,
                error: error.to_owned(),
                targets: Vec::new(),
                attempts: 0,
                first_at: now,
                last_at: now,
                given_up: 0,
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.attempts += 1;
        row.last_at = now;
        row.given_up += u64::from(is_given_up);
        if !row.targets.contains(&target) {
            row.targets.push(target);
        }
    }
}
