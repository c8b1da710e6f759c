//! What holds of the engine whatever it is told, and in whatever order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use proptest::prelude::*;
use swarm::engine::{
    Ask, Board, Effect, Engine, Fact, Input, LoopPlan, Planner, Policy, Problem, SoloPlan, Stamped, Step, Wake,
};
use swarm::model::{
    AttemptId, Boxes, Claim, Evidence, Exit, Found, Handle, LaunchError, LimitNotice, Now, Oom, Outcome, ProcessId,
    RunEnding, RunId, Span, Status, Survey, TaskId, Tick, Tree, Usage, Wall,
};

/// One move of the outside.
#[derive(Debug, Clone)]
enum Move {
    /// Answers one of the questions that are open.
    Answer(usize, Answer),
    /// Says something of an attempt that may or may not exist.
    Nonsense(u32, u32, Answer),
    /// The operator.
    Ask(Ask),
    /// Time passes; then the alarm, early or late.
    Pass(u64),
    /// Time passes exactly until the alarm.
    Alarm,
    /// Somebody sets the wall clock.
    SetWall(i64),
    /// The supervisor dies; the next one takes over, perhaps on another boot.
    Die { reboot: bool },
}

/// What is said of an attempt.
#[derive(Debug, Clone)]
enum Answer {
    Prepared(Survey),
    Unprepared(bool),
    Launched,
    LaunchFailed(bool),
    Found(u8),
    Heard(bool, bool),
    Blocked,
    Flowing,
    Exited,
    Ended(Exit, Box<Evidence>, Survey),
    Verified(bool),
    Pushed(bool),
}

/// The plans that everything here holds for.
trait Plan: Planner + Copy {
    const PLAN: Self;
    fn task() -> TaskId;
}

impl Plan for LoopPlan {
    const PLAN: LoopPlan = LoopPlan;
    fn task() -> TaskId {
        LoopPlan::task()
    }
}

impl Plan for SoloPlan {
    const PLAN: SoloPlan = SoloPlan;
    fn task() -> TaskId {
        SoloPlan::task()
    }
}

/// The engine and what it believes of the outside.
struct Walk<P> {
    engine: Engine<P>,
    now: Now,
    boot: u32,
    wake: Wake,
    /// Every fact, as the journal would give it back.
    durable: Vec<Stamped>,
    /// The fold of that.
    shadow: Board,
    /// Effects that ask for an answer.
    asked: Vec<Effect>,
    /// Attempts that were found never to have been started, or that this supervisor opened itself.
    may_launch: Vec<AttemptId>,
    steps: Vec<Step>,
}

fn handle() -> Handle {
    let process = |pid| ProcessId { pid, start_time: 1, boot_id: "b".into() };
    Handle::Process { shim: process(10), worker: process(11) }
}

fn attempt<P: Plan>(number: u32, tries: u32) -> AttemptId {
    AttemptId { run: RunId("r".into()), task: P::task(), number, tries }
}

impl<P: Plan> Walk<P> {
    fn begin(policy: &Policy) -> Walk<P> {
        let mut walk = Walk {
            engine: Engine::new(P::PLAN, Board::default()),
            now: Now { tick: Tick(5_000), wall: Wall(1_800_000_000_000) },
            boot: 1,
            wake: Wake::default(),
            durable: Vec::new(),
            shadow: Board::default(),
            asked: Vec::new(),
            may_launch: Vec::new(),
            steps: Vec::new(),
        };
        walk.step(Input::Begin { run: RunId("r".into()), policy: policy.clone(), boot_id: "boot-1".into() });
        walk
    }

    /// Takes one step, and checks what must hold after each.
    fn step(&mut self, input: Input) -> Step {
        let may_launch = launchable(&self.engine, &input);
        let step = self.engine.step(self.now, input);
        self.may_launch.extend(may_launch);
        for fact in &step.facts {
            let line = serde_json::to_string(fact).unwrap();
            assert!(!line.contains('\n'));
            let read: Stamped = serde_json::from_str(&line).unwrap();
            assert_eq!(read.seq, self.durable.len() as u64);
            self.shadow.apply(&read);
            self.durable.push(read);
        }
        assert!(self.shadow == *self.engine.board(), "the board is the fold of the facts: {:?}", self.shadow);
        for effect in &step.effects {
            self.perform(effect);
        }
        self.wake = step.wake;
        self.steps.push(step.clone());
        step
    }

    fn perform(&mut self, effect: &Effect) {
        match effect {
            Effect::Launch(attempt) => {
                let known = self.may_launch.iter().position(|known| known == attempt);
                let known = known.unwrap_or_else(|| panic!("{attempt} is launched, and may live already"));
                self.may_launch.remove(known);
                let stopped = self.engine.board().stop.is_some_and(|stop| stop.at_once);
                assert!(!stopped, "{attempt} is launched only to be ended");
                self.asked.push(effect.clone());
            }
            Effect::Prepare(_) | Effect::Probe(_) | Effect::Adopt(_) | Effect::Push(_) | Effect::Verify(_) => {
                self.asked.push(effect.clone());
            }
            Effect::Discard(over) => self.asked.retain(|asked| about(asked) != Some(over)),
            Effect::Term(_) | Effect::Kill(_) | Effect::Suspend(_) | Effect::Continue(_) | Effect::Finish(_) => {}
        }
    }

    /// Another supervisor takes over: it knows what is durable, and nothing else.
    fn die(&mut self, reboot: bool) {
        self.engine = Engine::new(P::PLAN, Board::replay(&self.durable));
        self.asked.clear();
        self.may_launch.clear();
        if reboot {
            self.boot += 1;
            self.now.tick = Tick(self.now.tick.0 % 3_000);
        }
        let open: Vec<AttemptId> = self.engine.board().open.keys().cloned().collect();
        let step = self.step(Input::Resume { boot_id: format!("boot-{}", self.boot) });
        for attempt in open {
            assert!(step.effects.contains(&Effect::Probe(attempt.clone())), "{attempt} is open and not looked for");
        }
    }

    fn make(&mut self, a_move: &Move) {
        if self.engine.board().finished.is_some() && !matches!(a_move, Move::Die { .. }) {
            return;
        }
        match a_move {
            Move::Answer(which, answer) => {
                let Some(at) = which.checked_rem(self.asked.len()) else { return };
                let asked = self.asked[at].clone();
                if let Some((input, settled)) = answer_to(&asked, answer) {
                    if settled {
                        self.asked.remove(at);
                    }
                    self.step(input);
                }
            }
            Move::Nonsense(number, tries, answer) => {
                self.step(say(&attempt::<P>(*number, *tries), answer));
            }
            Move::Ask(ask) => _ = self.step(Input::Asked(*ask)),
            Move::Pass(time) => {
                self.pass(*time);
                self.step(Input::Woke);
            }
            Move::Alarm => self.ring(),
            Move::SetWall(by) => self.now.wall = Wall(self.now.wall.0 + by),
            Move::Die { reboot } => self.die(*reboot),
        }
    }

    fn pass(&mut self, time: u64) {
        self.now = Now { tick: self.now.tick + Span(time), wall: self.now.wall + Span(time) };
    }

    /// The alarm rings at its time. It may not ring at the same time for ever.
    fn ring(&mut self) {
        for _ in 0..3 {
            let ticks = self.wake.tick.map(|tick| tick - self.now.tick);
            let walls = self.wake.wall.map(|wall| wall - self.now.wall);
            let Some(time) = [ticks, walls].into_iter().flatten().min() else { return };
            self.pass(time.0);
            let step = self.step(Input::Woke);
            if !step.facts.is_empty() || !step.effects.is_empty() {
                return;
            }
            let later = step.wake.tick.is_none_or(|tick| tick > self.now.tick);
            let later = later && step.wake.wall.is_none_or(|wall| wall > self.now.wall);
            assert!(later, "the alarm rings for nothing at {:?}: {:?}, {:?}", self.now, step.wake, self.engine.board());
        }
    }
}

/// Attempts that may be launched once this input is taken: those that it opens, and those that it says never began.
fn launchable<P: Planner>(engine: &Engine<P>, input: &Input) -> Option<AttemptId> {
    match input {
        Input::Prepared { attempt, .. } if !engine.board().open.contains_key(attempt) => Some(attempt.clone()),
        Input::Found { attempt, found: Found::Never } => Some(attempt.clone()),
        _ => None,
    }
}

fn about(effect: &Effect) -> Option<&AttemptId> {
    match effect {
        Effect::Prepare(attempt) | Effect::Launch(attempt) | Effect::Probe(attempt) | Effect::Adopt(attempt) => {
            Some(attempt)
        }
        _ => None,
    }
}

/// The answer, if it fits what was asked; and whether that settles it.
fn answer_to(asked: &Effect, answer: &Answer) -> Option<(Input, bool)> {
    use Answer as A;
    let (attempt, settled) = match (asked, answer) {
        (Effect::Prepare(attempt), A::Prepared(_) | A::Unprepared(_)) => (attempt, true),
        (Effect::Launch(attempt), A::Launched) => (attempt, false),
        (Effect::Launch(attempt), A::LaunchFailed(_)) => (attempt, true),
        (Effect::Probe(attempt), A::Found(_)) => (attempt, true),
        (Effect::Launch(attempt) | Effect::Adopt(attempt), A::Heard(..) | A::Blocked | A::Flowing | A::Exited) => {
            (attempt, false)
        }
        (Effect::Launch(attempt) | Effect::Adopt(attempt), A::Ended(..)) => (attempt, true),
        (Effect::Push(attempt), A::Pushed(_)) | (Effect::Verify(attempt), A::Verified(_)) => (attempt, true),
        _ => return None,
    };
    Some((say(attempt, answer), settled))
}

fn say(attempt: &AttemptId, answer: &Answer) -> Input {
    let attempt = attempt.clone();
    match answer.clone() {
        Answer::Prepared(survey) => Input::Prepared { attempt, log: 1, raw_from: 0, text_from: 0, survey },
        Answer::Unprepared(gone) => {
            let problem = if gone { Problem::PromptGone("x".into()) } else { Problem::CannotWrite("x".into()) };
            Input::Unprepared { attempt, problem }
        }
        Answer::Launched => Input::Launched { attempt, handle: handle() },
        Answer::LaunchFailed(permanent) => {
            Input::LaunchFailed { attempt, error: LaunchError { message: "x".into(), permanent } }
        }
        Answer::Found(which) => {
            let found = match which % 4 {
                0 => Found::Alive(handle()),
                1 => Found::Ended(Exit::plain(Status::Code(0))),
                2 => Found::Gone,
                _ => Found::Never,
            };
            Input::Found { attempt, found }
        }
        Answer::Heard(live, finished) => Input::Heard { attempt, live, finished },
        Answer::Blocked => Input::Blocked { attempt, error: "full".into() },
        Answer::Flowing => Input::Flowing { attempt },
        Answer::Exited => Input::Exited { attempt },
        Answer::Ended(exit, evidence, survey) => {
            Input::Ended { attempt, exit, evidence: *evidence, survey, notes: Vec::new() }
        }
        Answer::Verified(pass) => Input::Verified { attempt, pass, tail: "tail".into() },
        Answer::Pushed(well) => Input::Pushed { attempt, warning: (!well).then(|| "no route".into()) },
    }
}

// ---- What may come -----------------------------------------------------------------------------------------------

fn surveys() -> impl Strategy<Value = Survey> {
    let boxes = proptest::option::of((0..3u32, 0..3u32));
    (0..3u8, 0..3u64, boxes).prop_map(|(head, tree, boxes)| Survey {
        head: Some(format!("c{head}")),
        tree: [Tree::Unknown, Tree::Clean, Tree::Dirty(7)][tree as usize],
        boxes: boxes.map(|(done, open)| Boxes {
            done,
            open,
            first_open: (open > 0).then(|| "box".to_owned()),
            misspelled: 0,
        }),
    })
}

fn exits() -> impl Strategy<Value = Exit> {
    let statuses = prop_oneof![
        Just(Status::Code(0)),
        (1..200i32).prop_map(Status::Code),
        (1..32i32).prop_map(Status::Signal),
        Just(Status::Lost)
    ];
    let ooms = prop_oneof![3 => Just(Oom::Unknown), 1 => Just(Oom::Confirmed), 1 => Just(Oom::Inside)];
    (statuses, ooms).prop_map(|(status, oom)| Exit { status, oom, left: Vec::new() })
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let text = || "words".to_owned();
    prop_oneof![
        4 => Just(Outcome::Completed),
        1 => Just(Outcome::Unfinished),
        2 => Just(Outcome::RateLimited),
        2 => Just(Outcome::Unavailable { text: text() }),
        1 => Just(Outcome::AuthFailure { text: text() }),
        1 => Just(Outcome::OwnTurns),
        1 => Just(Outcome::Failed { text: text() }),
    ]
}

fn evidences() -> impl Strategy<Value = Evidence> {
    let costs = prop_oneof![
        Just(None),
        (0.0..0.1f64).prop_map(Some),
        Just(Some(f64::INFINITY)),
        Just(Some(f64::NAN)),
        Just(Some(-1.0))
    ];
    let resets = proptest::option::of(proptest::option::of(1_799_990_000_000..1_800_030_000_000i64));
    (outcomes(), any::<bool>(), any::<bool>(), costs, resets, any::<bool>()).prop_map(
        |(outcome, concluded, claims, cost_usd, reset, retrying)| Evidence {
            claim: if claims { Claim::Done { line: 3 } } else { Claim::None },
            outcome,
            concluded,
            limit: reset.map(|reset| LimitNotice { resets_at: reset.map(Wall), text: "limit".into() }),
            retrying,
            usage: Usage { cost_usd, ..Usage::default() },
            ..Evidence::default()
        },
    )
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => surveys().prop_map(Answer::Prepared),
        1 => any::<bool>().prop_map(Answer::Unprepared),
        4 => Just(Answer::Launched),
        1 => any::<bool>().prop_map(Answer::LaunchFailed),
        4 => any::<u8>().prop_map(Answer::Found),
        3 => any::<(bool, bool)>().prop_map(|(live, finished)| Answer::Heard(live, finished)),
        1 => Just(Answer::Blocked),
        1 => Just(Answer::Flowing),
        1 => Just(Answer::Exited),
        6 => (exits(), evidences(), surveys())
            .prop_map(|(exit, evidence, survey)| Answer::Ended(exit, Box::new(evidence), survey)),
        2 => any::<bool>().prop_map(Answer::Verified),
        2 => any::<bool>().prop_map(Answer::Pushed),
    ]
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        1 => (prop_oneof![Just(1), Just(2), Just(15)], any::<bool>())
            .prop_map(|(signal, at_once)| Ask::Stop { signal, at_once }),
        2 => Just(Ask::Pause),
        3 => Just(Ask::Unpause),
        2 => Just(Ask::Suspend),
        3 => Just(Ask::Continue),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        30 => (any::<usize>(), answers()).prop_map(|(which, answer)| Move::Answer(which, answer)),
        4 => (0..4u32, 0..3u32, answers()).prop_map(|(number, tries, answer)| Move::Nonsense(number, tries, answer)),
        2 => asks().prop_map(Move::Ask),
        3 => (0..200_000u64).prop_map(Move::Pass),
        6 => Just(Move::Alarm),
        1 => (-4_000_000..4_000_000i64).prop_map(Move::SetWall),
        2 => any::<bool>().prop_map(|reboot| Move::Die { reboot }),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let few = || proptest::option::of(1..4u32);
    let spans = || proptest::option::of((1..120u64).prop_map(Span::seconds));
    let limits = (few(), few(), few(), few(), proptest::option::of(0.01..0.2f64), spans());
    let clocks = (spans(), spans(), spans(), 0..10u64);
    (limits, clocks, any::<[bool; 4]>()).prop_map(|(limits, clocks, rules)| Policy {
        iterations: limits.0.map(|limit| limit * 3),
        max_failures: limits.1,
        max_stalled: limits.2,
        max_ooms: limits.3,
        max_cost: limits.4,
        max_time: limits.5.map(|limit| Span(limit.0 * 100)),
        start_timeout: clocks.0,
        idle_timeout: clocks.1,
        iteration_timeout: clocks.2,
        delay: Span::seconds(clocks.3),
        verify: rules[0],
        require_plan: rules[1],
        done_on_plan: rules[2],
        push: rules[3],
        ..Policy::default()
    })
}

fn walks() -> impl Strategy<Value = Vec<Move>> {
    proptest::collection::vec(moves(), 1..100)
}

fn walked<P: Plan>(policy: &Policy, moves: &[Move]) -> Walk<P> {
    let mut walk = Walk::begin(policy);
    moves.iter().for_each(|a_move| walk.make(a_move));
    walk
}

/// What is said of an attempt that is not open, or not known at all, changes nothing.
fn strangers_change_nothing<P: Plan>(mut walk: Walk<P>, answer: &Answer) {
    walk.engine.step(walk.now, Input::Woke);
    let before = walk.engine.board().clone();
    let closed = before.last.as_ref().map(|last| last.attempt.clone());
    let last_is_asked = matches!(answer, Answer::Verified(_) | Answer::Pushed(_));
    let strangers = [attempt::<P>(99, 1)].into_iter().chain(closed.filter(|_| !last_is_asked));
    for stranger in strangers.filter(|stranger| !before.open.contains_key(stranger)) {
        let step = walk.engine.step(walk.now, say(&stranger, answer));
        assert!(step.facts.is_empty() && step.effects.is_empty(), "{stranger}: {step:?}");
        assert_eq!(walk.engine.board(), &before);
    }
}

/// Wherever a supervisor dies, the next one looks for what is open before it starts anything.
fn looks_before_it_starts<P: Plan>(mut walk: Walk<P>, reboot: bool) {
    let open = !walk.engine.board().open.is_empty();
    walk.die(reboot);
    let last = walk.steps.last().cloned().unwrap_or_default();
    let starts = last.effects.iter().any(|effect| matches!(effect, Effect::Launch(_) | Effect::Prepare(_)));
    assert!(!(open && starts), "{last:?}");
}

/// A journal of any selection of facts, in any order, folds to something that goes on.
fn folds<P: Plan>(walk: &Walk<P>, picks: &[usize]) {
    let facts = picks.iter().map(|pick| &walk.durable[pick % walk.durable.len()]);
    let mut engine = Engine::new(P::PLAN, Board::replay(facts));
    engine.step(walk.now, Input::Resume { boot_id: "boot-1".into() });
    engine.step(walk.now, Input::Woke);
}

/// Money that was spent stays spent, and every sum is a number.
fn spends<P: Plan>(walk: &Walk<P>) {
    let mut board = Board::default();
    for fact in &walk.durable {
        let before = board.tally.spent;
        board.apply(fact);
        assert!(board.tally.spent.is_finite() && board.tally.spent >= before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Never panics; the board is the fold of what the journal gives back; nothing is launched that may live, or that was
    /// told to end; the alarm never rings for nothing: all checked by the walk itself. And twice the same is the same.
    #[test]
    fn the_same_inputs_give_the_same_steps(policy in policies(), moves in walks()) {
        prop_assert_eq!(walked::<LoopPlan>(&policy, &moves).steps, walked::<LoopPlan>(&policy, &moves).steps);
        prop_assert_eq!(walked::<SoloPlan>(&policy, &moves).steps, walked::<SoloPlan>(&policy, &moves).steps);
    }

    #[test]
    fn words_about_strangers_change_nothing(policy in policies(), moves in walks(), answer in answers()) {
        strangers_change_nothing(walked::<LoopPlan>(&policy, &moves), &answer);
        strangers_change_nothing(walked::<SoloPlan>(&policy, &moves), &answer);
    }

    #[test]
    fn whoever_takes_over_looks_before_it_starts(policy in policies(), moves in walks(), reboot in any::<bool>()) {
        looks_before_it_starts(walked::<LoopPlan>(&policy, &moves), reboot);
        looks_before_it_starts(walked::<SoloPlan>(&policy, &moves), reboot);
    }

    #[test]
    fn what_is_spent_never_shrinks(policy in policies(), moves in walks()) {
        spends(&walked::<LoopPlan>(&policy, &moves));
        spends(&walked::<SoloPlan>(&policy, &moves));
    }

    #[test]
    fn any_journal_folds(policy in policies(), moves in walks(), picks in proptest::collection::vec(any::<usize>(), 0..60)) {
        folds(&walked::<LoopPlan>(&policy, &moves), &picks);
        folds(&walked::<SoloPlan>(&policy, &moves), &picks);
    }

    /// A worker is one attempt. Its end, whatever it is, is the end of its run, in the same step unless somebody holds the
    /// run; and whoever takes it over afterwards ends at once, with no second life for it.
    #[test]
    fn a_worker_lives_once(policy in policies(), moves in walks()) {
        // Nothing is pushed after a worker.
        let walk = walked::<SoloPlan>(&Policy { push: false, ..policy }, &moves);
        let mut board = Board::default();
        for step in &walk.steps {
            step.facts.iter().for_each(|fact| board.apply(fact));
            let is_over = board.finished.is_some() || board.suspended.is_some();
            prop_assert!(board.last.is_none() || is_over, "{step:?}");
        }
        let opened = |stamped: &&Stamped| matches!(&stamped.fact, Fact::AttemptOpened { .. });
        let attempts: Vec<&Stamped> = walk.durable.iter().filter(opened).collect();
        prop_assert!(attempts.len() <= 1, "{attempts:?}");
        let launches = walk.steps.iter().flat_map(|step| &step.effects);
        let others = launches.filter(|effect| matches!(effect, Effect::Launch(other) if *other != attempt::<SoloPlan>(1, 1)));
        prop_assert_eq!(others.count(), 0);
        if walk.engine.board().last.is_some() {
            let mut engine = Engine::new(SoloPlan, Board::replay(&walk.durable));
            let step = engine.step(walk.now, Input::Resume { boot_id: "boot-9".into() });
            prop_assert!(matches!(step.effects.as_slice(), [.., Effect::Finish(_)]), "{step:?}");
        }
    }
}

/// A worker that is taken over to be ended, and that never began, does not begin.
#[test]
fn who_is_to_end_is_not_started() {
    let mut walk = Walk::<SoloPlan>::begin(&Policy::default());
    walk.make(&Move::Answer(0, Answer::Prepared(Survey::default())));
    walk.die(false);
    walk.make(&Move::Ask(Ask::Stop { signal: 15, at_once: true }));
    walk.make(&Move::Answer(0, Answer::Found(3)));
    assert_eq!(walk.engine.board().finished, Some(RunEnding::Stopped { signal: 15 }));
}

/// The wall clock is set back during a wait for a limit: the run's own time is used up all the same.
#[test]
fn the_time_limit_rings_in_a_wait() {
    let policy = Policy { max_time: Some(Span::seconds(1000)), max_stalled: None, ..Policy::default() };
    let mut walk = Walk::<LoopPlan>::begin(&policy);
    let reset = walk.now.wall + Span::seconds(300);
    let limit = LimitNotice { resets_at: Some(reset), text: String::new() };
    let evidence = Evidence { outcome: Outcome::RateLimited, limit: Some(limit), ..Evidence::default() };
    let ended = Answer::Ended(Exit::plain(Status::Code(1)), Box::new(evidence), Survey::default());
    for answer in [Answer::Prepared(Survey::default()), Answer::Launched, ended] {
        walk.make(&Move::Answer(0, answer));
    }
    assert!(walk.engine.board().wait.is_some());
    walk.make(&Move::SetWall(-3_600_000));
    walk.ring();
    assert_eq!(walk.engine.board().finished, Some(RunEnding::TimeLimit));
}

/// An attempt that could not be launched costs nothing, and says nothing of what an attempt costs: one that does not tell
/// is charged all that it was given.
#[test]
fn a_free_attempt_is_no_measure_of_costs() {
    let policy = Policy { max_cost: Some(8.0), max_stalled: None, ..Policy::default() };
    let mut walk = Walk::<LoopPlan>::begin(&policy);
    walk.make(&Move::Answer(0, Answer::Prepared(Survey::default())));
    walk.make(&Move::Answer(0, Answer::LaunchFailed(false)));
    walk.ring();
    walk.make(&Move::Answer(0, Answer::Prepared(Survey::default())));
    walk.make(&Move::Answer(0, Answer::Launched));
    let killed = Answer::Ended(Exit::plain(Status::Signal(9)), Box::default(), Survey::default());
    walk.make(&Move::Answer(0, killed));
    assert_eq!((walk.engine.board().tally.spent, walk.engine.board().tally.at_least), (8.0, true));
}
