// Command play evaluates rules over a story in virtual time, with vmalert's own code and a running VictoriaMetrics.
//
// It reads one JSON object: the story's series in promtool's notation, the file of rules, and when they are evaluated.
// It writes a line of JSON for each alert that fires, at each evaluation. What is recorded can be queried only at the next
// evaluation, because vmalert doesn't wait until VictoriaMetrics shows what it has written.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert/config"
	"github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert/datasource"
	"github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert/notifier"
	"github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert/rule"
	"github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert/templates"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/decimal"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/metricsql"
	"github.com/golang/snappy"
)

// Story is what stdin describes.
type Story struct {
	Server, Rules         string
	BeginS, EndS          int64
	ScrapedEveryS, EveryS int64
	Series                []struct{ Series, Values string }
}

// Firing is an alert that fires at the time of an evaluation, its group's or another one's.
type Firing struct {
	AtS                 int64
	Labels, Annotations map[string]string
}

// database writes samples into VictoriaMetrics; recorded ones are kept until they are flushed.
type database struct {
	server   string
	recorded []prompb.TimeSeries
}

// Push is called by vmalert with each recorded series.
func (d *database) Push(one prompb.TimeSeries) error {
	d.recorded = append(d.recorded, one)
	return nil
}

// Close is part of vmalert's interface.
func (d *database) Close() error { return nil }

// flush writes what was recorded, and makes it visible.
func (d *database) flush() error {
	if len(d.recorded) == 0 {
		return nil
	}
	request := prompb.WriteRequest{Timeseries: d.recorded}
	body := bytes.NewReader(snappy.Encode(nil, request.MarshalProtobuf(nil)))
	if err := call(http.Post(d.server+"/api/v1/write", "application/x-protobuf", body)); err != nil {
		return err
	}
	d.recorded = nil
	return call(http.Get(d.server + "/internal/force_flush"))
}

func call(answer *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", answer.Request.URL, answer.Status)
	}
	return nil
}

func main() {
	var story Story
	if err := json.NewDecoder(os.Stdin).Decode(&story); err != nil {
		log.Fatal(err)
	}
	if err := play(story); err != nil {
		log.Fatal(err)
	}
}

func play(story Story) error {
	groups, err := loaded(story)
	if err != nil {
		return err
	}
	base := &database{server: story.Server}
	if base.recorded, err = scraped(story); err != nil {
		return err
	}
	if err := base.flush(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	due := map[*rule.Group]int64{}
	for at := story.BeginS; at <= story.EndS; at += story.EveryS {
		for _, group := range groups {
			if at >= due[group] {
				due[group] = at + int64(group.Interval.Seconds())
				for err := range group.ExecOnce(context.Background(), base, time.Unix(at, 0)) {
					if err != nil {
						return err
					}
				}
			}
			for _, one := range group.Rules {
				if err := tell(out, one, at); err != nil {
					return err
				}
			}
		}
		if err := base.flush(); err != nil {
			return err
		}
	}
	return nil
}

// loaded returns the groups of rules, which vmalert has checked, templates included.
func loaded(story Story) ([]*rule.Group, error) {
	for name, value := range map[string]string{"datasource.url": story.Server, "notifier.blackhole": "true"} {
		if err := flag.Set(name, value); err != nil {
			return nil, err
		}
	}
	if err := templates.Load(nil, url.URL{}); err != nil {
		return nil, err
	}
	if err := notifier.Init(nil, ""); err != nil {
		return nil, err
	}
	queries, err := datasource.Init(nil)
	if err != nil {
		return nil, err
	}
	read, err := config.ParseSilent([]string{story.Rules}, notifier.ValidateTemplates, true)
	if err != nil {
		return nil, err
	}
	var groups []*rule.Group
	for _, one := range read {
		group := rule.NewGroup(one, queries, time.Minute, nil)
		group.Init()
		groups = append(groups, group)
	}
	return groups, nil
}

func tell(out *json.Encoder, one rule.Rule, at int64) error {
	alerting, ok := one.(*rule.AlertingRule)
	if !ok {
		return nil
	}
	for _, alert := range alerting.GetAlerts() {
		if alert.State == notifier.StateFiring {
			if err := out.Encode(Firing{at, alert.Labels, alert.Annotations}); err != nil {
				return err
			}
		}
	}
	return nil
}

// scraped returns the story's samples; "stale" marks the first scrape without the series.
func scraped(story Story) ([]prompb.TimeSeries, error) {
	var all []prompb.TimeSeries
	for _, given := range story.Series {
		parsed, err := metricsql.Parse(given.Series)
		if err != nil {
			return nil, err
		}
		var made prompb.TimeSeries
		for _, filter := range parsed.(*metricsql.MetricExpr).LabelFilterss[0] {
			made.Labels = append(made.Labels, prompb.Label{Name: filter.Label, Value: filter.Value})
		}
		at := story.BeginS * 1000
		for _, word := range strings.Fields(given.Values) {
			text, times, _ := strings.Cut(word, "x")
			value, more := decimal.StaleNaN, 0
			if times != "" {
				if more, err = strconv.Atoi(times); err != nil {
					return nil, err
				}
			}
			if text == "_" {
				at += int64(max(more, 1)) * story.ScrapedEveryS * 1000
				continue
			}
			if text != "stale" {
				if value, err = strconv.ParseFloat(text, 64); err != nil {
					return nil, err
				}
			}
			for range more + 1 {
				made.Samples = append(made.Samples, prompb.Sample{Timestamp: at, Value: value})
				at += story.ScrapedEveryS * 1000
			}
		}
		all = append(all, made)
	}
	return all, nil
}
