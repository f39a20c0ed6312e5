;; Bins so fine that every person has a cell: the edges make more cells than a table may have.
(module
  (@custom "glovebox.job"
    "{\"abi\":\"glovebox:job@0.1.0\",\"name\":\"fine\",\"version\":\"1.0.0\",\"description\":\"\",\"isolation\":\"row\","
    "\"inputs\":[{\"name\":\"x\",\"type\":\"float64\"}],"
    "\"keys\":[{\"name\":\"a\",\"domain\":{\"bands\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}},"
    "{\"name\":\"b\",\"domain\":{\"bands\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}},"
    "{\"name\":\"c\",\"domain\":{\"bands\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}},"
    "{\"name\":\"d\",\"domain\":{\"bands\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}}],"
    "\"outputs\":[{\"name\":\"n\",\"reducer\":\"count\",\"keys\":[\"a\",\"b\",\"c\",\"d\"]}],"
    "\"contributions_per_person_max\":1}")
  (func (export "gb_cell_0") (param f64) (result i32) (i32.const 0)))
