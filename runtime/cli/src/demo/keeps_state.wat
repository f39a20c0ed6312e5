;; An attack on isolation `row`: contributes the value of the row before, and so could smuggle rows into chosen cells.
(module
  (@custom "glovebox.job" "{\"abi\": \"glovebox:job@0.1.0\", \"name\": \"keeps-state\", \"version\": \"1.0.0\", \"description\": \"Remembers the row before\", \"isolation\": \"row\", \"contributions_per_person_max\": 1, \"inputs\": [{\"name\": \"bmi\", \"type\": \"float64\"}], \"outputs\": [{\"name\": \"mean\", \"reducer\": \"mean\", \"lower\": 10, \"upper\": 80}]}")
  (memory 1)
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0))
  (func $remember (export "gb_value_0") (param $bmi f64) (result f64)
    (f64.load (i32.const 0))
    (f64.store (i32.const 0) (local.get $bmi))))
