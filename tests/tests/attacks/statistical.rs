//! Many figures, each harmless, put together by statistics. Everybody stands behind each of them, so no rule on sets of
//! persons sees anything; noise and its accountant do.

use rand::RngExt;
use serde_json::json;

use crate::attacks::arena::{Arena, GENES, GENES_BITS, People, Side, allow, generator, laplace, told};
use crate::attacks::guest::{COLUMNS, Part, QUERIES_MAX, Query, keyed, manifest, module, survey};
use crate::attacks::{at_least, at_most, exactly, measured};

/// Repeated queries with fresh noise are averaged: Dwork and Roth, The Algorithmic Foundations of Differential Privacy
/// (2014), section 1. The noise stays on both sides; what is off is the end of the account.
#[tokio::test(flavor = "multi_thread")]
async fn noise_is_averaged_away() {
    const PERSONS: usize = 400;
    let people = People::draw(PERSONS, 51);
    // Everybody has a cell of their own, which holds the secret.
    let codes: Vec<String> = (0..PERSONS).map(|code| code.to_string()).collect();
    let question = || {
        keyed(
            json!({"name": "sum", "reducer": "sum", "lower": 0.0, "upper": 1.0, "keys": ["person"]}),
            json!([{"name": "person", "domain": {"codes": codes}}]),
            "(i32.wrap_i64 (local.get $number))",
            Some("(f64.convert_i64_s (local.get $secret))"),
        )
    };
    let arena = Arena::start_with(Vec::new(), |config| config.workers = 4).await;
    let mut shares = Vec::new();
    for (id, limit) in [("without", 1_000.0), ("with", 1.0)] {
        let side = arena.side_with(id, &people, "default", |dataset, terms| allow(dataset, terms, limit)).await;
        let mut sums = vec![0.0; PERSONS];
        let mut answers = 0.0;
        for _ in 0..8 {
            // Eight at once, so that an account that is read first and charged later is overdrawn.
            let request = side.request(question(), Some(laplace(1.0))).await;
            let jobs = futures::future::join_all((0..8).map(|_| side.developer.submit_job(&request))).await;
            for job in jobs {
                let ran = side.ended(job.map_err(|error| error.code().unwrap_or_default().to_owned())).await;
                let Some(table) = ran.tables().first() else {
                    let refused = ["meter.epsilon-exhausted", "job.refused-too-often"];
                    assert!(refused.contains(&ran.codes[0].as_str()), "{ran:?}");
                    continue;
                };
                sums.iter_mut().zip(&table.cells).for_each(|(sum, cell)| *sum += cell.value.unwrap());
                answers += 1.0;
            }
        }
        assert!(answers == if limit > 1.0 { 64.0 } else { 1.0 }, "{answers} answers came");
        shares.push(told(&sums.iter().map(|sum| Some(*sum > answers / 2.0)).collect::<Vec<_>>(), &people.secrets));
    }
    // With ε = 1 in all a guess is right with a probability of at most e / (1 + e) = 73 %. That 400 of them reach 84 %
    // is less likely than one in a million.
    measured("noise_is_averaged_away", "50 %", &at_least(shares[0], 0.95), &at_most(shares[1], 0.84));
}

/// An estimator from blocks of persons that speaks of one person in each output, whatever its block: Mohan et al., GUPT,
/// SIGMOD 2012. Such jobs never leave without noise; a loss of a thousand is as good as none.
#[tokio::test(flavor = "multi_thread")]
async fn an_estimator_speaks_of_one_person() {
    let people = People::draw(400, 56);
    let outputs: Vec<_> = (0..QUERIES_MAX)
        .map(|target| json!({"name": format!("q{target}"), "reducer": "block-mean", "lower": 0.0, "upper": 1.0}))
        .collect();
    // Of every row: a record (output, cell 0, value) for a person whose number is that of an output, and zeros of others.
    let estimator = || {
        module(
            &manifest("block", &COLUMNS, json!({"outputs": outputs, "blocks": 20})),
            "(memory (export \"memory\") 2)
             (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 65536))
             (func (export \"gb_block\") (param $input i32) (result i64) (local $row i32) (local $number i32) (local $at i32)
               (loop $outputs
                 (local.set $at (i32.shl (local.get $number) (i32.const 4)))
                 (i32.store offset=1024 (local.get $at) (local.get $number))
                 (local.set $number (i32.add (local.get $number) (i32.const 1)))
                 (br_if $outputs (i32.lt_u (local.get $number) (i32.const 64))))
               (loop $rows
                 (local.set $at (i32.shl (local.get $row) (i32.const 3)))
                 (local.set $number (i32.load (i32.add (i32.load offset=16 (local.get $input)) (local.get $at))))
                 (if (i32.lt_u (local.get $number) (i32.const 64)) (then
                   (f64.store offset=1032 (i32.shl (local.get $number) (i32.const 4))
                     (f64.convert_i64_s (i64.load (i32.add (i32.load offset=28 (local.get $input)) (local.get $at)))))))
                 (local.set $row (i32.add (local.get $row) (i32.const 1)))
                 (br_if $rows (i32.lt_u (local.get $row) (i32.load (local.get $input)))))
               (i64.const 0x40000000040))",
        )
    };
    let arena = Arena::start(Vec::new()).await;
    let mut shares = Vec::new();
    for (id, epsilon) in [("without", 1_000.0), ("with", 1.0)] {
        let side = arena.side_with(id, &people, "default", |dataset, terms| allow(dataset, terms, epsilon)).await;
        let ran = side.run_with(estimator(), Some(laplace(epsilon))).await;
        assert!(ran.is_released(), "{ran:?}");
        // A secret of 1 in one block of twenty.
        let guesses: Vec<_> = ran.figures(QUERIES_MAX).into_iter().map(|mean| Some(mean? > 0.025)).collect();
        shares.push(told(&guesses, &people.secrets[..QUERIES_MAX]));
    }
    // A figure has a sixty-fourth of ε = 1. That 64 coins show 52 heads is less likely than one in a million.
    measured("an_estimator_speaks_of_one_person", "50 %", &exactly(shares[0]), &at_most(shares[1], 0.80));
}

/// Sums over random subsets, and the secrets that fit them best: Dinur and Nissim, "Revealing information while
/// preserving privacy", PODS 2003; by least squares as Dwork and Yekhanin, CRYPTO 2008, in place of a linear program.
struct Subsets {
    members: Vec<Vec<bool>>,
    sums: Vec<f64>,
}

impl Subsets {
    const PERSONS: usize = 64;
    const QUERIES: usize = 4 * QUERIES_MAX;

    async fn ask(side: &Side<'_>, epsilon: Option<f64>) -> Self {
        let mut random = generator(52);
        let members: Vec<Vec<bool>> =
            (0..Self::QUERIES).map(|_| (0..Self::PERSONS).map(|_| random.random()).collect()).collect();
        let mut sums = Vec::new();
        for chunk in members.chunks(QUERIES_MAX) {
            let part = |member: &bool| if *member { Part::Secret } else { Part::Zero };
            let queries: Vec<Query> = chunk.iter().map(|members| members.iter().map(part).collect()).collect();
            let ran = side.run_with(survey(&queries), epsilon.map(laplace)).await;
            sums.extend(ran.figures(chunk.len()).into_iter().map(|sum| sum.expect("everybody is behind each sum")));
        }
        Self { members, sums }
    }

    /// The secrets, relaxed to numbers from 0 to 1, that miss the sums by the least squares: one coordinate after the
    /// other is put where it serves best.
    fn secrets(&self) -> Vec<Option<bool>> {
        let mut secrets = vec![0.5; Self::PERSONS];
        let miss =
            |(members, sum): (&Vec<bool>, &f64)| sum - members.iter().filter(|member| **member).count() as f64 / 2.0;
        let mut misses: Vec<f64> = self.members.iter().zip(&self.sums).map(miss).collect();
        for _ in 0..200 {
            for (person, secret) in secrets.iter_mut().enumerate() {
                let with =
                    || self.members.iter().enumerate().filter(|(_, members)| members[person]).map(|(query, _)| query);
                let step = with().map(|query| misses[query]).sum::<f64>() / with().count() as f64;
                let moved = (*secret + step).clamp(0.0, 1.0) - *secret;
                *secret += moved;
                with().for_each(|query| misses[query] -= moved);
            }
        }
        secrets.into_iter().map(|secret| Some(secret > 0.5)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_reconstructed_from_sums() {
    let people = People::draw(Subsets::PERSONS, 53);
    let arena = Arena::start(Vec::new()).await;
    let side = arena.side("without", &people, "default").await;
    let without = told(&Subsets::ask(&side, None).await.secrets(), &people.secrets);
    let side = arena.side_with("with", &people, "default", |dataset, terms| allow(dataset, terms, 1.0)).await;
    let with = told(&Subsets::ask(&side, Some(0.25)).await.secrets(), &people.secrets);
    // With ε = 1 in all a guess is right with a probability of at most 73 %; the sums share it, so it is nearer to half.
    // That 64 coins show 51 heads is less likely than one in a million.
    measured("secrets_are_reconstructed_from_sums", "50 %", &exactly(without), &at_most(with, 0.80));
}

/// Who is among the cases, from the frequencies of 240 genes among them: Homer et al., PLoS Genetics 4 (2008), with the
/// likelihood ratio of Sankararaman et al., Nature Genetics 41 (2009).
struct Genome {
    people: People,
    /// How frequent each letter is in the population: public.
    frequencies: Vec<f64>,
}

impl Genome {
    const LETTERS: usize = GENES * GENES_BITS;
    const CASES: usize = 60;

    fn draw() -> Self {
        let mut people = People::draw(600, 54);
        let mut random = generator(55);
        let frequencies: Vec<f64> = (0..Self::LETTERS).map(|_| random.random_range(0.2..0.5)).collect();
        for (number, genes) in people.genes.iter_mut().enumerate() {
            people.secrets[number] = number % 10 == 0;
            for (letter, frequency) in frequencies.iter().enumerate() {
                genes[letter / GENES_BITS] |= u64::from(random.random_bool(*frequency)) << (letter % GENES_BITS);
            }
        }
        Self { people, frequencies }
    }

    fn letter(&self, number: usize, letter: usize) -> bool {
        self.people.genes[number][letter / GENES_BITS] >> (letter % GENES_BITS) & 1 == 1
    }

    /// For some letters, how many cases have each: a sum over all cases.
    fn question(letters: &[usize]) -> Vec<u8> {
        let names: Vec<String> = (0..GENES).map(|gene| format!("g{gene}")).collect();
        let columns: Vec<_> =
            std::iter::once(("secret", "int64")).chain(names.iter().map(|name| (&**name, "int64"))).collect();
        let outputs: Vec<_> = letters
            .iter()
            .map(|letter| json!({"name": format!("q{letter}"), "reducer": "sum", "lower": 0.0, "upper": 1.0}))
            .collect();
        let parameters = "(param i64 i64 i64 i64 i64)";
        let doors = letters.iter().enumerate().map(|(index, letter)| {
            let (gene, bit) = (letter / GENES_BITS + 1, letter % GENES_BITS);
            format!(
                "(func (export \"gb_cell_{index}\") {parameters} (result i32)
                   (i32.sub (i32.wrap_i64 (local.get 0)) (i32.const 1)))
                 (func (export \"gb_value_{index}\") {parameters} (result f64)
                   (f64.convert_i64_u (i64.and (i64.const 1) (i64.shr_u (local.get {gene}) (i64.const {bit})))))"
            )
        });
        module(&manifest("row", &columns, json!({"outputs": outputs})), &doors.collect::<String>())
    }

    async fn counts(&self, side: &Side<'_>, epsilon: Option<f64>) -> Vec<Option<f64>> {
        let letters: Vec<usize> = (0..Self::LETTERS).collect();
        let mut counts = Vec::new();
        for letters in letters.chunks(QUERIES_MAX) {
            counts.extend(side.run_with(Self::question(letters), epsilon.map(laplace)).await.figures(letters.len()));
        }
        counts
    }

    /// The probability that a case has a larger likelihood ratio than someone who is none.
    fn advantage(&self, counts: &[Option<f64>]) -> f64 {
        let ratio = |number: usize| -> f64 {
            let terms = counts.iter().zip(&self.frequencies).enumerate().map(|(letter, (count, frequency))| {
                let among = (count.unwrap_or(frequency * Self::CASES as f64) / Self::CASES as f64).clamp(0.01, 0.99);
                let odds =
                    if self.letter(number, letter) { among / frequency } else { (1.0 - among) / (1.0 - frequency) };
                odds.ln()
            });
            terms.sum()
        };
        let ratios: Vec<f64> = (0..self.people.len()).map(ratio).collect();
        let (mut cases, mut others) = (Vec::new(), Vec::new());
        ratios
            .iter()
            .zip(&self.people.secrets)
            .for_each(|(ratio, case)| if *case { &mut cases } else { &mut others }.push(*ratio));
        let above = cases.iter().map(|case| others.iter().filter(|other| case > *other).count()).sum::<usize>();
        above as f64 / (cases.len() * others.len()) as f64
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genome_is_found_among_the_cases() {
    let genome = Genome::draw();
    let arena = Arena::start(Vec::new()).await;
    let side = arena.side("without", &genome.people, "default").await;
    let without = genome.advantage(&genome.counts(&side, None).await);
    let side = arena.side_with("with", &genome.people, "default", |dataset, terms| allow(dataset, terms, 1.0)).await;
    let with = genome.advantage(&genome.counts(&side, Some(0.25)).await);
    // Blind ranking of 60 among 600 has a standard deviation of 3.9 %; five of them are exceeded less than once in a million.
    measured("a_genome_is_found_among_the_cases", "50 %", &exactly(without), &at_most(with, 0.70));
}

/// A person who withdraws changes the estimate of one block, though the estimator tells apart any two sets of persons:
/// were blocks cut by count, all behind the leaver would move, and with them most estimates.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_changes_one_block() {
    const BLOCKS: usize = 20;
    let people = People::draw(400, 57);
    let outputs: Vec<_> = (0..16)
        .map(|bit| json!({"name": format!("q{bit}"), "reducer": "block-mean", "lower": 0.0, "upper": 1.0}))
        .collect();
    // A hash of the numbers in the block; its bits are the estimates.
    let wasm = module(
        &manifest("block", &COLUMNS, json!({"outputs": outputs, "blocks": BLOCKS})),
        "(memory (export \"memory\") 2)
         (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 65536))
         (func (export \"gb_block\") (param $input i32) (result i64) (local $row i32) (local $hash i32) (local $at i32)
           (loop $rows
             (local.set $hash (i32.add (local.get $hash)
               (i32.mul (i32.const 0x9e3779b1) (i32.xor (i32.const 0x5bd1e995)
                 (i32.mul (i32.const 0x85ebca6b) (i32.add (i32.const 1)
                   (i32.load (i32.add (i32.load offset=16 (local.get $input)) (i32.shl (local.get $row) (i32.const 3))))))))))
             (local.set $row (i32.add (local.get $row) (i32.const 1)))
             (br_if $rows (i32.lt_u (local.get $row) (i32.load (local.get $input)))))
           (local.set $row (i32.const 0))
           (loop $outputs
             (local.set $at (i32.shl (local.get $row) (i32.const 4)))
             (i32.store offset=1024 (local.get $at) (local.get $row))
             (f64.store offset=1032 (local.get $at) (f64.convert_i32_u
               (i32.and (i32.const 1) (i32.shr_u (local.get $hash) (i32.add (i32.const 15) (local.get $row))))))
             (local.set $row (i32.add (local.get $row) (i32.const 1)))
             (br_if $outputs (i32.lt_u (local.get $row) (i32.const 16))))
           (i64.const 0x40000000010))",
    );
    let arena = Arena::start(Vec::new()).await;
    let side = arena.side_with("clinic", &people, "default", |dataset, terms| allow(dataset, terms, 4_000.0)).await;
    let before = side.run_with(wasm.clone(), Some(laplace(2_000.0))).await.figures(16);
    side.publish(&people, &[3]).await;
    let after = side.run_with(wasm, Some(laplace(2_000.0))).await.figures(16);
    let moved: Vec<_> =
        before.iter().zip(&after).map(|(before, after)| (before.unwrap() - after.unwrap()).abs()).collect();
    // A block is a twentieth; the noise at this loss is below a hundredth.
    assert!(moved.iter().all(|moved| *moved < 1.5 / BLOCKS as f64), "{moved:?}");
    assert!(moved.iter().any(|moved| *moved > 0.5 / BLOCKS as f64), "the estimates tell sets apart: {moved:?}");
}
