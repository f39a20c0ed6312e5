//! Rounds: what `update` is told and what it answers.

/// The released figures of one output, row-major over its keys and the dimensions inside it (bins, components, …).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures<'a> {
    values: &'a [f64],
    valid: &'a [u8],
}

impl<'a> Figures<'a> {
    /// Figures of which all were shown whose byte is not 0.
    #[must_use]
    pub const fn new(values: &'a [f64], valid: &'a [u8]) -> Self {
        Self { values, valid }
    }

    /// Figure `index`; none when it was not shown.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<f64> {
        let shown = self.valid.get(index).is_some_and(|byte| *byte != 0);
        self.values.get(index).copied().filter(|_| shown)
    }

    /// All figures, when all were shown.
    #[must_use]
    pub fn all<const N: usize>(&self) -> Option<[f64; N]> {
        if self.values.len() != N {
            return None;
        }
        let mut all = [0.0; N];
        for (index, slot) in all.iter_mut().enumerate() {
            *slot = self.at(index)?;
        }
        Some(all)
    }

    /// The figures in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<f64>> + 'a {
        let figures = *self;
        (0..self.values.len()).map(move |index| figures.at(index))
    }
}

/// What `update` decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next<S> {
    /// Another round with this state.
    Go(S),
    /// No further round; this is the model.
    Stop(S),
}

/// What `job!` writes for rounds: the state, what was released, and the function that goes from one to the next.
#[macro_export]
#[doc(hidden)]
macro_rules! __rounds {
    (
        [$($state:ident)*] { $($output:tt)* } |$released:ident| $body:block
    ) => {
        $crate::__rounds! { @types [$($state)*] [] { $($output)* } }

        impl Job {
            /// The state after what was released of a round. Where the body gives none, as `?` on a figure that was not
            /// shown does, the rounds stop with the state that they had.
            pub fn update(released: &Released<'_>) -> $crate::Next<State> {
                fn body($released: &Released<'_>) -> Option<$crate::Next<State>> {
                    $body
                }
                let held = State { $($state: released.given.$state,)* };
                body(released).unwrap_or($crate::Next::Stop(held))
            }
        }

        #[cfg(target_arch = "wasm32")]
        fn __update(raw: &$crate::raw::RawReleased<'_>) -> Vec<f64> {
            let (flag, state) = match Job::update(&Released::from_raw(raw)) {
                $crate::Next::Go(state) => (0.0, state),
                $crate::Next::Stop(state) => (1.0, state),
            };
            vec![flag, $(state.$state),*]
        }
    };
    (@types $states:tt [$($name:ident)*]
        { $output:ident : $reducer:ident $(($($bound:tt)*))? $(by [$($by:tt)*])? $(when $condition:expr)?
            $(=> $value:expr)?; $($rest:tt)* }) => {
        $crate::__rounds! { @types $states [$($name)* $output] { $($rest)* } }
    };
    (@types [$($state:ident)*] [$($name:ident)*] {}) => {
        /// The numbers that go from round to round.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct State {
            $(pub $state: f64,)*
        }

        /// What was released of a round, an entry for each output.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Released<'a> {
            /// Number of the round, from 0.
            pub round: u32,
            /// The parameters, and the state that the round had.
            pub given: Parameters,
            $(pub $name: $crate::Figures<'a>,)*
        }

        #[cfg(target_arch = "wasm32")]
        impl<'a> Released<'a> {
            fn from_raw(raw: &$crate::raw::RawReleased<'a>) -> Self {
                let arguments: Vec<f64> = raw.parameters.iter().chain(raw.state).copied().collect();
                let rows = $crate::raw::RawRows { rows: 0, columns: &[], persons: &[], arguments: &arguments };
                let given = Parameters::from_raw(&rows);
                let mut output = 0..;
                let mut next = || raw.output(output.next().unwrap_or(usize::MAX));
                Self { round: raw.round, given, $($name: next(),)* }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_were_not_shown_are_none() {
        let figures = Figures::new(&[1.0, 0.0, 3.0], &[1, 0, 1]);
        assert_eq!((figures.at(0), figures.at(1), figures.at(3)), (Some(1.0), None, None));
        assert_eq!(figures.all::<3>(), None);
        assert_eq!(Figures::new(&[1.0, 2.0], &[1, 1]).all(), Some([1.0, 2.0]));
        assert_eq!(Figures::new(&[1.0, 2.0], &[1, 1]).all::<1>(), None, "another number of figures");
        assert_eq!(Figures::new(&[1.0], &[]).at(0), None, "nothing is shown by accident");
    }
}
