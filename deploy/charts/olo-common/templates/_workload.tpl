{{/* One Deployment with what belongs to it alone: budget and scaling.
     Takes a dict: root, facts, workload, name, selector (text), labels (text), model (or nothing). */}}
{{- define "olo.workload" -}}
{{- $root := .root }}{{ $facts := .facts }}{{ $workload := .workload -}}
{{- $scaled := and $workload.autoscaling (or $workload.autoscaling.enabled $workload.autoscaling.keda) -}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  {{- if not $scaled }}
  replicas: {{ ternary 1 $workload.replicas (eq true $facts.single) }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy: {{ include "olo.strategy" . | fromYaml | toJson }}
  selector:
    matchLabels:
      {{- .selector | nindent 6 }}
  template:
    {{- include "olo.pod" . | nindent 4 }}
{{- if $workload.podDisruptionBudget.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
spec:
  # One at a time, also where there is only one: a budget that allows none would hold up every drain of a node.
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- .selector | nindent 6 }}
{{- end }}
{{- if $scaled }}{{ include "olo.scaling" . }}{{ end }}
{{- end }}

{{/* A new process comes before the old one goes, but where two cannot be: on one disk, or on GPUs that are all taken. */}}
{{- define "olo.strategy" -}}
{{- if and .facts.database (or .facts.single (not .root.Values.database.existingSecret)) -}}
type: Recreate
{{- else if and .model .model.gpu -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}
{{- end }}

{{- define "olo.serviceaccount.name" -}}
{{- $account := .root.Values.serviceAccount -}}
{{- $account.name | default (include "olo.name" (list .root .facts.service)) -}}
{{- end }}

{{/* All that a service has once, however many Deployments it has. Takes (root, facts). */}}
{{- define "olo.service" -}}
{{- $root := index . 0 }}{{ $facts := index . 1 }}{{ $values := $root.Values -}}
{{- $name := include "olo.name" (list $root $facts.service) }}{{ $labels := include "olo.labels" (list $root $facts.service) -}}
{{- $service := default dict $values.service -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with $service.annotations }}
  annotations: {{ toJson . }}
  {{- end }}
spec:
  type: {{ $service.type | default "ClusterIP" }}
  {{- if $facts.model }}
  # Others learn from the registry where each worker is; this is for Prometheus.
  clusterIP: None
  {{- end }}
  selector:
    {{- include "olo.selector" (list $root $facts.service) | nindent 4 }}
  ports:
    {{- range $port, $number := $facts.ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}{{ if eq $port "grpc" }}, appProtocol: kubernetes.io/h2c{{ end }}}
    {{- end }}
{{- if $values.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "olo.serviceaccount.name" (dict "root" $root "facts" $facts) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with $values.serviceAccount.annotations }}
  annotations: {{ toJson . }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- if and $values.global.serviceMonitor.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
    {{- with $values.global.serviceMonitor.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  selector:
    matchLabels:
      {{- include "olo.selector" (list $root $facts.service) | nindent 6 }}
  endpoints:
    - port: metrics
      interval: {{ $values.global.serviceMonitor.interval }}
      relabelings:
        # The names that the dashboards and alerts ask for.
        - {targetLabel: job, replacement: olo}
        - {targetLabel: part, replacement: {{ $facts.service }}}
{{- end }}
{{- end }}

{{- define "olo.claim" -}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- .labels | nindent 4 }}
  annotations:
    # What is in it outlives the release.
    helm.sh/resource-policy: keep
spec:
  accessModes: [{{ .claim.accessMode }}]
  {{- with .claim.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .claim.size }}}}
{{- end }}

{{/* The whole of a service with one Deployment. `.` is the root of its chart. */}}
{{- define "olo.chart" -}}
{{- $facts := include "olo.facts" . | fromYaml -}}
{{- include "olo.checks" (list . $facts) -}}
{{- $name := include "olo.name" (list . $facts.service) }}{{ $labels := include "olo.labels" (list . $facts.service) -}}
{{- $selector := include "olo.selector" (list . $facts.service) -}}
{{ include "olo.workload" (dict "root" . "facts" $facts "workload" .Values "name" $name "labels" $labels "selector" $selector "model" nil) }}
{{ include "olo.service" (list . $facts) }}
{{ include "olo.networkpolicy" (list . $facts) }}
{{- if $facts.database }}
{{- if and .Values.persistence.enabled (not .Values.persistence.existingClaim) }}
{{ include "olo.claim" (dict "root" . "name" (printf "%s-data" $name) "labels" $labels "claim" .Values.persistence) }}
{{- end }}
{{- if .Values.database.existingSecret }}
{{ include "olo.migration" (list . $facts) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The whole of a model worker: one Deployment for each entry of `models`, which may say anew what the chart says for all. */}}
{{- define "olo.chart.models" -}}
{{- $root := . }}{{ $facts := include "olo.facts" . | fromYaml -}}
{{- include "olo.checks" (list . $facts) -}}
{{- $name := include "olo.name" (list . $facts.service) }}{{ $labels := include "olo.labels" (list . $facts.service) -}}
{{- $seen := dict -}}
{{- range $model := .Values.models }}
{{- if hasKey $seen $model.name }}{{ fail (printf "models: two are named %s" $model.name) }}{{ end }}
{{- $_ := set $seen $model.name true }}
{{- $workload := mergeOverwrite (omit (deepCopy $root.Values.AsMap) "models" "global" "olo-common") (deepCopy $model) }}
{{- $mine := printf "olo.dev/model: %s" $model.name }}
{{- $selector := printf "%s\n%s" (include "olo.selector" (list $root $facts.service)) $mine }}
{{ include "olo.workload" (dict "root" $root "facts" $facts "workload" $workload "name" (printf "%s-%s" $name $model.name | trunc 63 | trimSuffix "-") "labels" (printf "%s\n%s" $labels $mine) "selector" $selector "model" $model) }}
{{- end }}
{{ include "olo.service" (list . $facts) }}
{{ include "olo.networkpolicy" (list . $facts) }}
{{- if and .Values.modelCache.enabled (not .Values.modelCache.existingClaim) }}
{{ include "olo.claim" (dict "root" . "name" (printf "%s-models" $name) "labels" $labels "claim" .Values.modelCache) }}
{{- end }}
{{- end }}

{{/* Migrates the database before the processes of a new version start. At the first install they do so themselves. */}}
{{- define "olo.migration" -}}
{{- $root := index . 0 }}{{ $facts := index . 1 }}{{ $service := printf "%s-migration" $facts.service -}}
{{- $of := dict "root" $root "facts" $facts "workload" $root.Values "model" nil -}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "olo.name" (list $root $service) }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "olo.labels" (list $root $service) | nindent 4 }}
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 600
  template:
    metadata:
      labels:
        {{- include "olo.labels" (list $root $service) | nindent 8 }}
    spec:
      {{- include "olo.pod.common" $of | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: migration
          image: {{ include "olo.image" (list $root $root.Values) }}
          imagePullPolicy: {{ $root.Values.global.image.pullPolicy }}
          command: [python, -m, {{ printf "olo_%s.migrate" $facts.service }}]
          securityContext: {{ include "olo.container.security" . | fromYaml | toJson }}
          env:
            {{- include "olo.environment" $of | trim | nindent 12 }}
          resources: {{ toJson $root.Values.resources }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- with concat $root.Values.global.volumeMounts $root.Values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: {{ $root.Values.tmpSize }}}
        {{- with concat $root.Values.global.volumes $root.Values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}
