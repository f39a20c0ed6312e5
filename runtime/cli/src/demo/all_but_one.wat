;; A difference attack: sums the body-mass index of everybody, or of everybody but the one person whose age and index the
;; attacker knows. Each sum alone is harmless; one less the other is that person's record.
(module
  (@custom "glovebox.job" "{\"abi\": \"glovebox:job@0.1.0\", \"name\": \"all-but-one\", \"version\": \"1.0.0\", \"description\": \"Sum of body-mass indices\", \"isolation\": \"row\", \"contributions_per_person_max\": 1, \"inputs\": [{\"name\": \"age_years\", \"type\": \"int64\"}, {\"name\": \"bmi\", \"type\": \"float64\"}], \"parameters\": [{\"name\": \"age\", \"default\": 0, \"min\": 0, \"max\": 80}, {\"name\": \"index\", \"default\": 0, \"min\": 0, \"max\": 100}], \"outputs\": [{\"name\": \"indices\", \"reducer\": \"sum\", \"lower\": 10, \"upper\": 100}]}")
  (func (export "gb_cell_0") (param $age i64) (param $bmi f64) (param $known_age f64) (param $known_bmi f64) (result i32)
    (select (i32.const -1) (i32.const 0)
      (i32.and
        (f64.eq (f64.convert_i64_s (local.get $age)) (local.get $known_age))
        (f64.eq (local.get $bmi) (local.get $known_bmi)))))
  (func (export "gb_value_0") (param $age i64) (param $bmi f64) (param f64 f64) (result f64) (local.get $bmi)))
