// Command blocks writes invented history into a folder, as blocks of Prometheus' database.
//
// It reads one JSON object: from where to where, and the series. "%d" in a label's value stands for the number of the
// node: each series is written once for each node.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const blockMs = 24 * 3600 * 1000

// Series is a series of each node.
type Series struct {
	Labels map[string]string
	// Value is the first one, Step by how much it rises on average with each sample.
	Value, Step float64
	// EveryMs lies between two samples; BackMs is how long before the end the first one is.
	EveryMs, BackMs int64
}

// History is what stdin describes.
type History struct {
	Folder string
	EndMs  int64
	Nodes  int
	Series []Series
}

type writer struct {
	of     Series
	labels labels.Labels
	ref    storage.SeriesRef
	nextMs int64
	value  float64
	random uint32
}

func main() {
	var history History
	if err := json.NewDecoder(os.Stdin).Decode(&history); err != nil {
		log.Fatal(err)
	}
	if err := write(history); err != nil {
		log.Fatal(err)
	}
}

func write(history History) error {
	all, startMs := writers(history), history.EndMs
	for _, each := range all {
		startMs = min(startMs, each.nextMs)
	}
	for ; startMs < history.EndMs; startMs += blockMs {
		endMs := min(startMs+blockMs, history.EndMs)
		if err := writeBlock(history.Folder, all, endMs); err != nil {
			return err
		}
		fmt.Println(history.EndMs - endMs)
	}
	return nil
}

func writers(history History) []*writer {
	var all []*writer
	for node := range history.Nodes {
		for number, each := range history.Series {
			named := map[string]string{}
			for name, value := range each.Labels {
				named[name] = strings.ReplaceAll(value, "%d", fmt.Sprint(node))
			}
			first := history.EndMs - each.BackMs
			first += int64(node*7919) % each.EveryMs // scrapes are spread
			seed := uint32(node*1000003+number) | 1
			all = append(all, &writer{each, labels.FromMap(named), 0, first, each.Value, seed})
		}
	}
	return all
}

func writeBlock(folder string, all []*writer, endMs int64) error {
	block, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), folder, 2*blockMs)
	if err != nil {
		return err
	}
	defer block.Close()
	ctx := context.Background()
	for _, each := range all {
		app := block.Appender(ctx)
		each.ref = 0 // each block has its own
		for ; each.nextMs < endMs; each.nextMs += each.of.EveryMs {
			if each.ref, err = app.Append(each.ref, each.labels, each.nextMs, each.value); err != nil {
				return err
			}
			each.random = each.random*1664525 + 1013904223
			each.value += float64(int64(2 * each.of.Step * float64(each.random>>8) / (1 << 24)))
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	_, err = block.Flush(ctx)
	return err
}
