{{/*
How far apart the starts of a cron schedule are, in seconds, as JSON: {"longest": …, "shortest": …}. Where years differ,
`longest` is rather too long and `shortest` too short. Fields are read as Kubernetes reads them
(https://pkg.go.dev/github.com/robfig/cron/v3). Call with the schedule.
*/}}
{{- define "recommendation.pauses" -}}
{{- $yearly := "0 0 1 1 *" -}}
{{- $short := dict "@hourly" "0 * * * *" "@daily" "0 0 * * *" "@midnight" "0 0 * * *" "@weekly" "0 0 * * 0" "@monthly" "0 0 1 * *" "@yearly" $yearly "@annually" $yearly -}}
{{- $fields := splitList " " (get $short . | default .) -}}
{{- $minutes := include "recommendation.cronField" (list (index $fields 0) 0 59) | fromJsonArray -}}
{{- $hours := include "recommendation.cronField" (list (index $fields 1) 0 23) | fromJsonArray -}}
{{- $first := -1 -}}{{- $last := -1 -}}{{- $longest := 0 -}}{{- $shortest := 0 -}}
{{- range $hour := $hours -}}
{{- range $minute := $minutes -}}
{{- $at := add (mul 60 (int $hour)) (int $minute) -}}
{{- if lt $first 0 -}}
{{- $first = int $at -}}
{{- else -}}
{{- $longest = max $longest (sub $at $last) -}}
{{- $shortest = ternary (sub $at $last) (min $shortest (sub $at $last)) (eq (int $shortest) 0) -}}
{{- end -}}
{{- $last = int $at -}}
{{- end -}}
{{- end -}}
{{- $days := include "recommendation.dayPauses" (rest (rest $fields)) | fromJson -}}
{{- $longest = max $longest (sub (add $first (mul 1440 (int $days.longest))) $last) -}}
{{- $overnight := sub (add $first (mul 1440 (int $days.shortest))) $last -}}
{{- $shortest = ternary $overnight (min $shortest $overnight) (eq (int $shortest) 0) -}}
{{- dict "longest" (mul 60 $longest) "shortest" (mul 60 $shortest) | toJson -}}
{{- end -}}

{{/* How many days lie between days with a start, as JSON. Call with the fields (list day-of-month month day-of-week). */}}
{{- define "recommendation.dayPauses" -}}
{{- $ofMonth := include "recommendation.cronField" (list (index . 0) 1 31) | fromJsonArray -}}
{{- $months := include "recommendation.cronField" (list (index . 1) 1 12) | fromJsonArray -}}
{{- $ofWeek := include "recommendation.cronField" (list (index . 2) 0 6) | fromJsonArray -}}
{{- $inMonth := not (has (index . 0) (list "*" "?")) -}}
{{- $inWeek := not (has (index . 2) (list "*" "?")) -}}
{{- $month := include "recommendation.cyclePauses" (list $ofMonth 28 29 30 31) | fromJson -}}
{{- $week := include "recommendation.cyclePauses" (list $ofWeek 7) | fromJson -}}
{{- $longest := 1 -}}{{- $shortest := 1 -}}
{{- if and $inMonth $inWeek -}}
{{- /* A day of either kind has a start. */ -}}
{{- $longest = min (int $month.longest) (int $week.longest) -}}
{{- else if $inMonth -}}
{{- $longest = int $month.longest -}}{{- $shortest = int $month.shortest -}}
{{- else if $inWeek -}}
{{- $longest = int $week.longest -}}{{- $shortest = int $week.shortest -}}
{{- end -}}
{{- $skipped := include "recommendation.cyclePauses" (list $months 12) | fromJson -}}
{{- if gt (int $skipped.longest) 1 -}}
{{- /*
The last day of the week before the pause, and the first one after it, may each be six days off. Months that lack the day
are up to a year apart.
*/ -}}
{{- $longest = ternary 366 (add $longest 6 (mul 31 (sub (int $skipped.longest) 1))) (gt (int $longest) 31) -}}
{{- end -}}
{{- dict "longest" $longest "shortest" $shortest | toJson -}}
{{- end -}}

{{/* Distances between numbers that come round, as JSON. Call with (list numbers length…); a month has one of four lengths. */}}
{{- define "recommendation.cyclePauses" -}}
{{- $numbers := first . -}}
{{- $longest := 0 -}}{{- $shortest := 366 -}}
{{- $start := int (first $numbers) -}}
{{- range $length := rest . -}}
{{- $last := $start -}}
{{- range $number := rest $numbers -}}
{{- if le (int $number) (int $length) -}}
{{- $longest = max $longest (sub (int $number) $last) -}}
{{- $shortest = min $shortest (sub (int $number) $last) -}}
{{- $last = int $number -}}
{{- end -}}
{{- end -}}
{{- if gt $start (int $length) -}}
{{- /* A day that this month does not have. */ -}}
{{- $longest = 62 -}}
{{- else -}}
{{- $round := sub (add $start $length) $last -}}
{{- $longest = max $longest $round -}}
{{- $shortest = min $shortest $round -}}
{{- end -}}
{{- end -}}
{{- dict "longest" $longest "shortest" $shortest | toJson -}}
{{- end -}}

{{/* The numbers that a cron field stands for, ascending, as JSON. Call with (list field lowest highest). */}}
{{- define "recommendation.cronField" -}}
{{- $field := index . 0 -}}{{- $low := index . 1 -}}{{- $high := index . 2 -}}
{{- $found := dict -}}
{{- range $part := splitList "," $field -}}
{{- $sides := splitList "/" $part -}}
{{- $ends := splitList "-" (first $sides) -}}
{{- $from := $low -}}{{- $to := $high -}}
{{- if not (has (first $sides) (list "*" "?")) -}}
{{- $from = include "recommendation.cronNumber" (first $ends) | int -}}
{{- if or (eq (len $sides) 1) (gt (len $ends) 1) -}}{{- $to = include "recommendation.cronNumber" (last $ends) | int -}}{{- end -}}
{{- end -}}
{{- $step := 1 -}}
{{- if gt (len $sides) 1 -}}{{- $step = last $sides | int -}}{{- end -}}
{{- if or (lt $from $low) (gt $to $high) (lt $to $from) (lt $step 1) -}}
{{- fail (printf "training.schedule: %s stands for nothing between %d and %d." $part $low $high) -}}
{{- end -}}
{{- range $number := untilStep $from (int (add $to 1)) $step -}}{{- $_ := set $found (toString $number) true -}}{{- end -}}
{{- end -}}
{{- $sorted := list -}}
{{- range $number := untilStep $low (int (add $high 1)) 1 -}}
{{- if hasKey $found (toString $number) -}}{{- $sorted = append $sorted $number -}}{{- end -}}
{{- end -}}
{{- toJson $sorted -}}
{{- end -}}

{{- define "recommendation.cronNumber" -}}
{{- $names := dict -}}
{{- range $number, $name := list "SUN" "MON" "TUE" "WED" "THU" "FRI" "SAT" -}}{{- $_ := set $names $name (toString $number) -}}{{- end -}}
{{- range $number, $name := list "JAN" "FEB" "MAR" "APR" "MAY" "JUN" "JUL" "AUG" "SEP" "OCT" "NOV" "DEC" -}}{{- $_ := set $names $name (add1 $number | toString) -}}{{- end -}}
{{- $number := get $names (upper .) | default . -}}
{{- if not (regexMatch "^[0-9]+$" $number) -}}{{- fail (printf "training.schedule: %s is no number that cron knows." .) -}}{{- end -}}
{{- $number -}}
{{- end -}}

{{/* Seconds that a training may take: it ends before the next one starts, so that a stuck run blocks none. */}}
{{- define "recommendation.trainingDeadline" -}}
{{- $pauses := include "recommendation.pauses" .Values.training.schedule | fromJson -}}
{{- $own := min 21600 (div (mul 11 (int $pauses.shortest)) 12) -}}
{{- kindIs "invalid" .Values.training.activeDeadlineSeconds | ternary $own (int .Values.training.activeDeadlineSeconds) -}}
{{- end -}}

{{/*
The numbers of the alerts by name, as JSON. Two starts may be missed, and the second of them has all its time, before
training counts as stopped; three may bring no new model before the live one is old.
*/}}
{{- define "recommendation.thresholds" -}}
{{- $pauses := include "recommendation.pauses" .Values.training.schedule | fromJson -}}
{{- $longest := int $pauses.longest -}}
{{- $time := max 3600 (include "recommendation.trainingDeadline" . | int) -}}
{{- $derived := dict "trainingStaleSeconds" (add (mul 2 $longest) $time) "modelOldSeconds" (max 86400 (mul 3 $longest)) -}}
{{- range $name, $value := .Values.monitoring.thresholds -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $derived $name $value -}}{{- end -}}
{{- end -}}
{{- toJson $derived -}}
{{- end -}}
