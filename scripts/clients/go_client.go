// Go's clients of PostgreSQL: pgx in each of its ways to ask, and lib/pq. What they find, as one line of JSON.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/lib/pq"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

type thing struct {
	ID    int64
	Title string
}

func byPgx(url string, mode string) []any {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, url+"?default_query_exec_mode="+mode)
	must(err)
	defer pool.Close()
	var count, any_ int64
	var title, bare string
	var day time.Time
	var list []int32
	must(pool.QueryRow(ctx, "SELECT count(*) FROM things WHERE id > $1", 5).Scan(&count))
	must(pool.QueryRow(ctx, "SELECT title FROM things WHERE id = $1 AND active = $2", 7, false).Scan(&title))
	must(pool.QueryRow(ctx, "SELECT $1", "bare").Scan(&bare))
	must(pool.QueryRow(ctx, "SELECT max(posted) FROM things WHERE posted < $1", time.Date(2024, 1, 3, 0, 0, 0, 0, time.UTC)).Scan(&day))
	must(pool.QueryRow(ctx, "SELECT [1, 2, 3]").Scan(&list))
	must(pool.QueryRow(ctx, "SELECT count(*) FROM things WHERE id = ANY($1)", []int64{1, 2}).Scan(&any_))
	rows, err := pool.Query(ctx, "SELECT id, title FROM things ORDER BY id")
	must(err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[thing])
	must(err)
	return []any{count, title, bare, day.Format("2006-01-02"), list, any_, len(all)}
}

func byPq(url string) []any {
	db, err := sql.Open("postgres", url+"?sslmode=disable")
	must(err)
	defer db.Close()
	var count int64
	var title, bare string
	must(db.QueryRow("SELECT count(*) FROM things WHERE id > $1", 5).Scan(&count))
	must(db.QueryRow("SELECT $1", "bare").Scan(&bare))
	statement, err := db.Prepare("SELECT title FROM things WHERE id = $1")
	must(err)
	must(statement.QueryRow(7).Scan(&title))
	return []any{count, title, bare}
}

func main() {
	found := map[string]any{"pq": byPq(os.Args[1])}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec"} {
		found[mode] = byPgx(os.Args[1], mode)
	}
	must(json.NewEncoder(os.Stdout).Encode(found))
}
