//! Tasks that an app posts again and again. Somebody says that it is time by an event: EventBridge Scheduler at AWS, and here the
//! clock of [`App::run_schedules`]. What then happens is the same for both.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::App;
use crate::{
    error::{Error, ErrorKind, Result},
    json::Object,
    schedule::{Schedule, is_name, rfc_3339},
    tasking::{Post, Task, controller::TaskingController},
};

/// What the event of a schedule has in the field `chalice-http-toolkit`.
const EVENT: &str = "schedule";
/// What EventBridge Scheduler puts the time in place of.
const PLACEHOLDER: &str = "<aws.scheduler.scheduled-time>";
const LONGEST_TIME: usize = 40;
/// The clock looks at the system's time so often: a machine that slept has another one.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl App {
    /// Posts this task again and again: by a cron expression of AWS (`"0 3 * * ? *"`, see [`Schedule`]) or at a rate (a
    /// [`Duration`]). Default: nothing is posted.
    ///
    /// The task goes to the queue that has a handler for it ([`with_tasks`](Self::with_tasks)). Each run has the name of the
    /// schedule and its time for a key, so that a run is posted once, however often its event comes. The runs of a schedule
    /// are in one group, `schedule-` and its name, unless the task says [another](Task::group): a run waits for the one before.
    ///
    /// | where | who says that it is time |
    /// |---|---|
    /// | AWS | EventBridge Scheduler, to the second 0 to 59 of the minute. `chalice-http-toolkit schedules` writes it into `template.yaml`, and `check` compares the two |
    /// | the local server | its clock |
    /// | a container, a test | [`run_schedules`](Self::run_schedules) |
    ///
    /// The program prints its schedules as JSON and ends where the variable `SCHEDULE_MANIFEST` is set, but not on Lambda. The event
    /// of a schedule is `{"chalice-http-toolkit":"schedule","name":"…","time":"…"}`. Only who may invoke the function sends one: a
    /// front door's event is always a request.
    ///
    /// # Errors
    ///
    /// [`run`](Self::run) fails, and so does each such event, with [`ErrorKind::Configuration`]: for an expression that AWS would
    /// refuse, with what is wrong; for two schedules with one name ([`Schedule::with_name`] gives another); for a task that no queue
    /// has a handler for. An event of a schedule that the program does not have is an [`ErrorKind::Event`].
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, tasking::{LocalQueue, Schedule, Task, TaskContext, TaskingController}};
    /// use serde::{Deserialize, Serialize};
    /// use std::time::Duration;
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Report {
    ///     days: u32,
    /// }
    ///
    /// impl Task for Report {
    ///     const NAME: &'static str = "report";
    /// }
    ///
    /// async fn report(_context: TaskContext, _task: Report) -> Result<(), std::io::Error> {
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("shop.fifo");
    /// let tasks = TaskingController::new("shop.fifo")?.with_local_queue(&queue).on(report);
    /// let weekly = Schedule::cron("0 9 ? * MON *").with_time_zone("Europe/Berlin").with_name("weekly-report");
    /// let app = App::worker(&tasks)
    ///     .every("0 3 * * ? *", Report { days: 1 })
    ///     .every(weekly, Report { days: 7 });
    /// // What EventBridge Scheduler sends: twice is once.
    /// let event = r#"{"chalice-http-toolkit":"schedule","name":"report","time":"2026-12-01T03:00:00Z"}"#;
    /// app.invoke(event, None).await?;
    /// app.invoke(event, None).await?;
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn every<T: Task + Sync>(mut self, schedule: impl Into<Schedule>, task: T) -> Self {
        let schedule = schedule.into();
        let post = move |tasking: &TaskingController| tasking.post(&task);
        self.tasks.recurring.push(Recurring { task: T::NAME, schedule, post: Arc::new(post) });
        self
    }

    /// Fires the schedules of [`every`](Self::every) by the clock of this process, for as long as it is polled. The local server
    /// does so by itself. A container calls it beside [`run`](Self::run); several of them post each run once, as its key is the
    /// same in all. A function of Lambda must not call it: it stands still between its events.
    ///
    /// Times that passed while the machine slept are made up for by one run. A run that can't be posted is in the log, and is not
    /// tried again. Under tokio's paused clock, days pass at once.
    ///
    /// It returns where no schedule comes again.
    ///
    /// # Errors
    ///
    /// Those of [`every`](Self::every), and [`ErrorKind::Configuration`] for a time zone that this machine does not know.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, tasking::{LocalQueue, Task, TaskContext, TaskingController}};
    /// use serde::{Deserialize, Serialize};
    /// use std::time::Duration;
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Report;
    ///
    /// impl Task for Report {
    ///     const NAME: &'static str = "report";
    /// }
    ///
    /// async fn report(_context: TaskContext, _task: Report) -> Result<(), std::io::Error> {
    ///     Ok(())
    /// }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let queue = LocalQueue::new("shop.fifo");
    /// let tasks = TaskingController::new("shop.fifo")?.with_local_queue(&queue).on(report);
    /// let app = App::worker(&tasks).every("0 3 * * ? *", Report);
    /// // In a test, without waiting: tokio's clock is paused.
    /// let week = Duration::from_secs(7 * 24 * 60 * 60);
    /// let ended = tokio::time::timeout(week, app.run_schedules()).await;
    /// assert!(ended.is_err());
    /// assert_eq!(queue.len(), 7);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn run_schedules(&self) -> Result<()> {
        self.tasks.checked()?;
        let clock = Clock { begun: (Instant::now(), SystemTime::now()) };
        let all = &self.tasks.recurring;
        let begun = clock.now();
        let next: Result<Vec<_>> = all.iter().map(|recurring| recurring.schedule.next_after(begun)).collect();
        let mut next = next?;
        while let Some(time) = next.iter().flatten().min().copied() {
            clock.wait_for(time).await;
            for (recurring, next) in all.iter().zip(&mut next) {
                if let Some(due) = next.filter(|due| *due <= time) {
                    self.fire(recurring, due).await;
                    *next = recurring.schedule.next_after(clock.now())?;
                }
            }
        }
        Ok(())
    }

    async fn fire(&self, recurring: &Recurring, time: SystemTime) {
        let event = json!({ "chalice-http-toolkit": EVENT, "name": recurring.name(), "time": rfc_3339(time) });
        match self.invoke(&event.to_string(), None).await {
            Ok(_) => tracing::info!(schedule = recurring.name(), "a task is posted, as it is time"),
            Err(error) => {
                tracing::error!(
                    schedule = recurring.name(),
                    error = error.chain(),
                    "the task of a schedule is not posted"
                );
            }
        }
    }
}

/// The time by tokio's clock, which a test can pause, unless the system's is ahead of it.
struct Clock {
    /// The same moment by both.
    begun: (Instant, SystemTime),
}

impl Clock {
    fn now(&self) -> SystemTime {
        let (instant, time) = self.begun;
        (time + instant.elapsed()).max(SystemTime::now())
    }

    async fn wait_for(&self, time: SystemTime) {
        while let Ok(left) = time.duration_since(self.now())
            && !left.is_zero()
        {
            sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

type MakePost = dyn Fn(&TaskingController) -> Post + Send + Sync;

/// A task and when it is posted.
#[derive(Clone)]
pub(super) struct Recurring {
    task: &'static str,
    schedule: Schedule,
    post: Arc<MakePost>,
}

impl Recurring {
    pub(super) fn task(&self) -> &'static str {
        self.task
    }

    pub(super) fn name(&self) -> &str {
        self.schedule.name().unwrap_or(self.task)
    }

    pub(super) fn post(&self, tasking: &TaskingController, time: &str) -> Post {
        (self.post)(tasking).of_schedule(self.name(), time)
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what AWS would refuse, and for a name that one of the others has.
    pub(super) fn checked<'a>(&self, mut others: impl Iterator<Item = &'a Self>) -> Result<()> {
        self.schedule.checked()?;
        let name = self.name();
        let wrong = |message| Err(Error::new(ErrorKind::Configuration, message));
        if !is_name(name) {
            return wrong(format!(
                "`{name}` can't be the name of a schedule, which has 1 to 64 letters, digits, `-`, `_` or `.`: give it one by \
                 Schedule::with_name"
            ));
        }
        if others.any(|other| other.name() == name) {
            return wrong(format!("two schedules are named `{name}`: give one another name by Schedule::with_name"));
        }
        Ok(())
    }

    /// Says when it comes next.
    pub(super) fn show(&self) -> Result<()> {
        let next = self.schedule.next_after(SystemTime::now())?.map(rfc_3339);
        let (schedule, zone) = (self.schedule.expression(), self.schedule.time_zone());
        let next = next.as_deref().unwrap_or("never");
        tracing::info!(name = self.name(), next, "a task is posted by {schedule} in the time zone {zone}");
        Ok(())
    }
}

impl fmt::Debug for Recurring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recurring").field("task", &self.task).field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

/// The name of the schedule and the time of its run, where an event says that it is time; `None` for any other event.
pub(super) fn slot(event: &str) -> Result<Option<(String, String)>> {
    let Some(fields) = Object::parse(event) else { return Ok(None) };
    let is_alone = fields.fields().count() == 3;
    let text = |name| fields.text(name).unwrap_or_default().into_owned();
    if !is_alone || text("chalice-http-toolkit") != EVENT {
        return Ok(None);
    }
    let (name, time) = (text("name"), text("time"));
    let is_time = (1..=LONGEST_TIME).contains(&time.len()) && time.bytes().all(|byte| byte.is_ascii_graphic());
    if is_time && time != PLACEHOLDER {
        return Ok(Some((name, time)));
    }
    let message = format!(
        "the event of the schedule `{}` has no time: its Input has \"time\":\"{PLACEHOLDER}\", which EventBridge Scheduler replaces \
         and a rule of EventBridge does not",
        name.escape_debug()
    );
    Err(Error::new(ErrorKind::Event, message))
}

/// What the command writes into a template.
pub(super) fn manifest(all: &[Recurring]) -> Value {
    let schedules = all.iter().map(|recurring| {
        let schedule = &recurring.schedule;
        json!({ "name": recurring.name(), "expression": schedule.expression(), "time_zone": schedule.time_zone() })
    });
    json!({ "schedules": schedules.collect::<Vec<_>>() })
}
