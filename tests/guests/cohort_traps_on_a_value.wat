;; Traps when the value 3 is there, to tell it by the failure, which no reviewer would see.
(module
  (memory (export "memory") 1)
  (func (export "gb_alloc") (param i32 i32) (result i32) (i32.const 1024))
  (func (export "gb_batch") (param $input i32)
    (local $row i32)
    (loop $next
      (if (f64.eq (f64.load (i32.add (i32.load offset=16 (local.get $input)) (i32.shl (local.get $row) (i32.const 3))))
            (f64.const 3))
        (then (unreachable)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $row) (i32.load (local.get $input))))))
  (func (export "gb_partial") (result i64)
    (i64.const 0))
  (func (export "gb_merge") (param $at i32) (param $bytes i32)
    )
  (func (export "gb_finish") (param $input i32) (result i64)
    (f64.store (i32.const 24) (f64.const 1)) (i64.const 0x1000000001)))
