// Package mutants shows that the harness notices what it is there to notice. A
// mutant is the product with one protection switched off by a build tag; for
// each one the table says which run, or where no run can get there which test,
// has to come out red.
//
// Where a protection stands, its package compares the constant mutant, which
// mutant_off.go sets to none and each other file mutant_*.go, under its tag, to
// one flaw. A build without these tags has only dead conditions in it.
package mutants
