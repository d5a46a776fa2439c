//! The plan: the jobs of a file, and for each key its jobs in order.
//!
//! Jobs and keys are known by their place from here on. Pure.

use std::collections::HashMap;

use super::job_file::JobSpec;

/// What a run is about to do.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order of the file.
    pub(crate) jobs: Vec<JobSpec>,
    /// In the order of their first jobs.
    pub(crate) keys: Vec<KeyPlan>,
    /// For each job, its place in its key.
    places: Vec<Place>,
}

/// One key and its jobs, as places in [`Plan::jobs`].
#[derive(Debug)]
pub(crate) struct KeyPlan {
    pub(crate) name: String,
    pub(crate) jobs: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: usize,
    turn: usize,
}

impl Plan {
    /// Sorts the jobs of a file by key, keeping their order.
    pub(crate) fn new(jobs: Vec<JobSpec>) -> Plan {
        let mut plan = Plan { jobs, ..Plan::default() };
        let mut key_of_name: HashMap<&str, usize> = HashMap::new();
        for (job, spec) in plan.jobs.iter().enumerate() {
            let key = *key_of_name.entry(&spec.key).or_insert_with(|| {
                plan.keys.push(KeyPlan { name: spec.key.clone(), jobs: Vec::new() });
                plan.keys.len() - 1
            });
            plan.places.push(Place { key, turn: plan.keys[key].jobs.len() });
            plan.keys[key].jobs.push(job);
        }
        plan
    }

    /// The key of a job, as a place in [`Plan::keys`].
    pub(crate) fn key_of(&self, job: usize) -> usize {
        self.places[job].key
    }

    /// The job of the same key just before this one.
    pub(crate) fn previous(&self, job: usize) -> Option<usize> {
        let Place { key, turn } = self.places[job];
        Some(self.keys[key].jobs[turn.checked_sub(1)?])
    }

    /// The jobs of the same key behind this one, in order.
    pub(crate) fn behind(&self, job: usize) -> &[usize] {
        let Place { key, turn } = self.places[job];
        &self.keys[key].jobs[turn + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_jobs_in_the_order_of_the_file() {
        let text =
            ["a", "b", "a", "a", "b"].map(|key| format!("{{\"key\":\"{key}\",\"run\":\"x\"}}\n"));
        let jobs = crate::run::job_file::read("jobs", &mut text.concat().as_bytes()).unwrap();
        let plan = Plan::new(jobs);
        let order: Vec<_> = plan.keys.iter().map(|key| (&*key.name, &*key.jobs)).collect();
        assert_eq!(order, [("a", &[0, 2, 3][..]), ("b", &[1, 4][..])]);
        assert_eq!(
            (plan.previous(0), plan.previous(3), plan.previous(4)),
            (None, Some(2), Some(1))
        );
        assert_eq!((plan.behind(0), plan.behind(3)), (&[2, 3][..], &[][..]));
        assert_eq!((plan.key_of(3), plan.key_of(4)), (0, 1));
    }
}
