;; Leaves a mark in memory and in a global for the instance that merges, besides its partial.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (global $mark (mut f64) (f64.const 0))
  (func (export "gb_batch") (param $input i32)
    (global.set $mark (f64.const 1)) (f64.store (i32.const 512) (f64.const 1)))
  (func (export "gb_partial") (result i64)
    (i64.const 0))
  (func (export "gb_merge") (param $at i32) (param $bytes i32)
    )
  (func (export "gb_finish") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.add (global.get $mark) (f64.load (i32.const 512)))) (i64.const 0x1000000001)))
