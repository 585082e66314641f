//! What a container instance has of images, and what its agent clears away.
//!
//! Follows *Automatic Amazon ECS task and image cleanup* in the developer guide (2026), the agent's README and its
//! `docker_image_manager.go` and `config.go` (2026-06). Left out: containers and images that ECS did not bring
//! (`ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP`), and `ECS_EXCLUDE_UNTRACKED_IMAGE`.

use std::collections::BTreeSet;

use crate::units::{Instant, Span};

/// How an agent clears images away that no container needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCleanup {
    /// Not by `ECS_DISABLE_IMAGE_CLEANUP`.
    pub is_enabled: bool,
    /// `ECS_IMAGE_CLEANUP_INTERVAL`: 30 min, at least 10 min; from the start of the agent on.
    pub interval: Span,
    /// `ECS_IMAGE_MINIMUM_CLEANUP_AGE`: how long ago an image was first pulled at least, 1 h.
    pub minimum_age: Span,
    /// `ECS_NUM_IMAGES_DELETE_PER_CYCLE`: most images at once, 5, at least 1.
    pub images_per_cycle: u32,
    /// `ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION`: how long the containers of a stopped task lie there, and keep their images
    /// with them: 3 h, at least 1 min.
    pub task_cleanup_wait: Span,
}

impl ImageCleanup {
    /// The shortest interval that an agent takes.
    pub const SHORTEST_INTERVAL: Span = Span::seconds(600);
    /// The shortest wait for the containers of a stopped task that it takes.
    pub const SHORTEST_TASK_CLEANUP_WAIT: Span = Span::MINUTE;
}

impl Default for ImageCleanup {
    fn default() -> ImageCleanup {
        ImageCleanup {
            is_enabled: true,
            interval: Span::seconds(1_800),
            minimum_age: Span::seconds(3_600),
            images_per_cycle: 5,
            task_cleanup_wait: Span::seconds(3 * 3_600),
        }
    }
}

/// The images on an instance, and the tasks `T` whose containers need them.
///
/// Cleanups are worked out when somebody looks: [`ImageCache::clean_up`] comes before any question.
#[derive(Clone, Debug)]
pub struct ImageCache<T> {
    images: Vec<Image<T>>,
    /// Cleanups up to here have been worked out.
    cleaned_until: Instant,
}

/// An image; another one that is pulled by the same name has other layers.
#[derive(Clone, Debug)]
struct Image<T> {
    name: String,
    /// Whether the name still means this image.
    is_named: bool,
    layers: Vec<String>,
    first_pulled_at: Instant,
    /// Tasks that are not stopped.
    tasks: BTreeSet<T>,
    /// When the last container of a task that has stopped is removed.
    last_used_at: Instant,
}

impl<T> Image<T> {
    /// When a cleanup can first take it; `None` while tasks hold it.
    fn is_unused_from(&self, cleanup: &ImageCleanup) -> Option<Instant> {
        self.tasks.is_empty().then(|| self.last_used_at.max(self.first_pulled_at + cleanup.minimum_age + Span(1)))
    }
}

impl<T> Default for ImageCache<T> {
    fn default() -> ImageCache<T> {
        ImageCache { images: Vec::new(), cleaned_until: Instant::START }
    }
}

impl<T: Copy + Ord> ImageCache<T> {
    /// An image is there that a container of a task is made of: it was pulled, or was there already.
    pub fn is_used<'l>(&mut self, name: &str, layers: impl Iterator<Item = &'l str> + Clone, task: T, now: Instant) {
        let is_this = |it: &Image<T>| it.name == name && it.layers.iter().map(String::as_str).eq(layers.clone());
        let place = self.images.iter().position(is_this).unwrap_or_else(|| {
            self.images.push(Image {
                name: name.to_owned(),
                is_named: false,
                layers: layers.clone().map(str::to_owned).collect(),
                first_pulled_at: now,
                tasks: BTreeSet::new(),
                last_used_at: now,
            });
            self.images.len() - 1
        });
        if !self.images[place].is_named {
            for image in self.images.iter_mut().filter(|it| it.name == name) {
                image.is_named = false;
            }
        }
        let image = &mut self.images[place];
        image.is_named = true;
        image.tasks.insert(task);
    }

    /// A task has stopped: its containers are removed at an instant.
    pub fn task_has_stopped(&mut self, task: T, removed_at: Instant) {
        for image in &mut self.images {
            if image.tasks.remove(&task) {
                image.last_used_at = image.last_used_at.max(removed_at);
            }
        }
    }

    /// Works out what an agent that has run since an instant has cleared away by now. Each cleanup takes what was used
    /// least recently first.
    pub fn clean_up(&mut self, cleanup: &ImageCleanup, agent_started_at: Instant, now: Instant) {
        if cleanup.is_enabled {
            let cycles_until = |at: Instant| at.max(agent_started_at).since(agent_started_at).0 / cleanup.interval.0;
            let mut cycle = cycles_until(self.cleaned_until) + 1;
            while let Some(unused) = self.images.iter().filter_map(|it| it.is_unused_from(cleanup)).min() {
                let first = unused.max(agent_started_at).since(agent_started_at).0.div_ceil(cleanup.interval.0);
                cycle = cycle.max(first);
                let at = agent_started_at + cleanup.interval * cycle;
                if at > now {
                    break;
                }
                self.cleanup_passes(cleanup, at);
                cycle += 1;
            }
        }
        self.cleaned_until = now;
    }

    fn cleanup_passes(&mut self, cleanup: &ImageCleanup, at: Instant) {
        let is_candidate = |it: &Image<T>| it.is_unused_from(cleanup).is_some_and(|from| from <= at);
        let mut candidates: Vec<usize> = (0..self.images.len()).filter(|it| is_candidate(&self.images[*it])).collect();
        candidates.sort_by_key(|it| self.images[*it].last_used_at);
        candidates.truncate(cleanup.images_per_cycle as usize);
        candidates.sort_unstable();
        for place in candidates.into_iter().rev() {
            self.images.remove(place);
        }
    }

    /// Whether an image is there by a name.
    pub fn has_image(&self, name: &str) -> bool {
        self.images.iter().any(|it| it.is_named && it.name == name)
    }

    /// Whether a layer is there, of any image.
    pub fn has_layer(&self, name: &str) -> bool {
        self.images.iter().any(|it| it.layers.iter().any(|it| it == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::seconds(3_600);

    fn at(minutes: u64) -> Instant {
        Instant::START + Span::MINUTE * minutes
    }

    fn is_used(cache: &mut ImageCache<u32>, name: &str, layers: &[&str], task: u32, minutes: u64) {
        cache.is_used(name, layers.iter().copied(), task, at(minutes));
    }

    /// Images that are there after so many minutes, of an agent that started with the run.
    fn there<'n>(cache: &mut ImageCache<u32>, cleanup: &ImageCleanup, names: &[&'n str], minutes: u64) -> Vec<&'n str> {
        cache.clean_up(cleanup, Instant::START, at(minutes));
        names.iter().copied().filter(|it| cache.has_image(it)).collect()
    }

    #[test]
    fn an_image_goes_with_the_first_cleanup_after_the_containers_of_its_last_task() {
        let cleanup = ImageCleanup::default();
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["a"], 1, 0);
        is_used(&mut cache, "web", &["a"], 2, 7);
        cache.task_has_stopped(1, at(10) + cleanup.task_cleanup_wait);
        assert_eq!(there(&mut cache, &cleanup, &["web"], 400), ["web"], "another task holds it");
        cache.task_has_stopped(2, at(401) + cleanup.task_cleanup_wait);
        // Its containers are removed after 581 minutes, and cleanups are 30 minutes apart.
        assert_eq!(there(&mut cache, &cleanup, &["web"], 599), ["web"]);
        assert!(cache.has_layer("a"));
        assert!(there(&mut cache, &cleanup, &["web"], 600).is_empty());
        assert!(!cache.has_layer("a"));
    }

    #[test]
    fn an_image_is_older_than_the_minimum_age_before_it_goes() {
        let cleanup = ImageCleanup { task_cleanup_wait: Span::MINUTE, ..ImageCleanup::default() };
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["a"], 1, 30);
        cache.task_has_stopped(1, at(31) + cleanup.task_cleanup_wait);
        // At 90 minutes it is an hour old, not older.
        assert_eq!(there(&mut cache, &cleanup, &["web"], 119), ["web"]);
        assert!(there(&mut cache, &cleanup, &["web"], 120).is_empty());
    }

    #[test]
    fn a_cleanup_takes_the_five_that_were_used_least_recently() {
        let cleanup = ImageCleanup { task_cleanup_wait: Span::MINUTE, ..ImageCleanup::default() };
        let names = ["one", "two", "three", "four", "five", "six", "seven"];
        let mut cache = ImageCache::default();
        for (task, name) in names.iter().enumerate() {
            is_used(&mut cache, name, &[name], task as u32, 0);
            cache.task_has_stopped(task as u32, at(20 - task as u64));
        }
        assert_eq!(there(&mut cache, &cleanup, &names, 89), names);
        assert_eq!(there(&mut cache, &cleanup, &names, 90), ["one", "two"]);
        assert!(there(&mut cache, &cleanup, &names, 120).is_empty());
        // However many cleanups nobody has looked at.
        let mut late = ImageCache::default();
        for (task, name) in names.iter().enumerate() {
            is_used(&mut late, name, &[name], task as u32, 0);
            late.task_has_stopped(task as u32, at(20));
        }
        assert!(there(&mut late, &cleanup, &names, 100_000).is_empty());
    }

    #[test]
    fn layers_stay_as_long_as_one_image_has_them() {
        let cleanup = ImageCleanup { task_cleanup_wait: Span::MINUTE, ..ImageCleanup::default() };
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["base", "web"], 1, 0);
        is_used(&mut cache, "api", &["base", "api"], 2, 0);
        cache.task_has_stopped(1, at(1));
        cache.clean_up(&cleanup, Instant::START, at(90));
        assert_eq!([cache.has_layer("base"), cache.has_layer("web"), cache.has_layer("api")], [true, false, true]);
    }

    #[test]
    fn a_name_means_what_was_pulled_by_it_last() {
        let cleanup = ImageCleanup { task_cleanup_wait: Span::MINUTE, ..ImageCleanup::default() };
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["old"], 1, 0);
        is_used(&mut cache, "web", &["new"], 2, 1);
        cache.task_has_stopped(2, at(2));
        // The newer one is not needed; the older, which a task still holds, has no name any more.
        assert!(there(&mut cache, &cleanup, &["web"], 90).is_empty());
        assert!(cache.has_layer("old") && !cache.has_layer("new"));
        is_used(&mut cache, "web", &["old"], 3, 91);
        assert!(cache.has_image("web"));
    }

    #[test]
    fn nothing_goes_where_cleanup_is_off_or_the_agent_has_only_begun() {
        let off = ImageCleanup { is_enabled: false, ..ImageCleanup::default() };
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["a"], 1, 0);
        cache.task_has_stopped(1, at(1));
        assert_eq!(there(&mut cache, &off, &["web"], 100_000), ["web"]);
        let cleanup = ImageCleanup { minimum_age: HOUR, ..ImageCleanup::default() };
        let mut cache = ImageCache::default();
        is_used(&mut cache, "web", &["a"], 1, 0);
        cache.task_has_stopped(1, at(1));
        cache.clean_up(&cleanup, at(100), at(129));
        assert!(cache.has_image("web"), "the agent has started after 100 minutes");
        cache.clean_up(&cleanup, at(100), at(130));
        assert!(!cache.has_image("web"));
    }
}
