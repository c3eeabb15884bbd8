// Package sql holds no code: what stands in its folders is compiled by sqlc. Its
// tests compare the two roads to the schema and keep the plans.
package sql
