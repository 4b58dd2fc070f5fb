{{/* The pod of a workload. Takes a dict: root, facts, workload, model (or nothing), labels and selector
     (texts). */}}
{{- define "olo.pod" -}}
{{- $root := .root }}{{ $facts := .facts }}{{ $workload := .workload }}{{ $global := $root.Values.global -}}
metadata:
  labels:
    {{- .labels | nindent 4 }}
    {{- with $workload.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with $workload.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "olo.pod.common" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ add (ceil $workload.drainSeconds) (ceil $workload.graceSeconds) 10 }}
  {{- if $workload.topologySpread }}
  topologySpreadConstraints:
    {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ $key }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector: {matchLabels: {{ $.selector | fromYaml | toJson }}}
    {{- end }}
  {{- end }}
  {{- range $field := list "nodeSelector" "tolerations" "affinity" }}
  {{- with get $workload $field }}
  {{ $field }}: {{ toJson . }}
  {{- end }}
  {{- end }}
  {{- range $field := list "priorityClassName" "runtimeClassName" }}
  {{- with get $workload $field }}
  {{ $field }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- if and .model .model.fetch }}
  initContainers:
    {{- include "olo.fetch" . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $facts.service }}
      image: {{ include "olo.image" (list $root $workload) }}
      imagePullPolicy: {{ $global.image.pullPolicy }}
      securityContext: {{ include "olo.container.security" . | fromYaml | toJson }}
      ports:
        {{- range $name, $port := $facts.ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      env:
        {{- include "olo.environment" . | trim | nindent 8 }}
      {{- include "olo.probes" . | nindent 6 }}
      resources: {{ include "olo.resources" . | fromYaml | toJson }}
      volumeMounts: {{ include "olo.mounts" . | fromYamlArray | toJson }}
  volumes:
    {{- include "olo.volumes" . | trim | nindent 4 }}
{{- end }}

{{/* What all pods of the charts have in common. Takes a dict: root, workload. */}}
{{- define "olo.pod.common" -}}
serviceAccountName: {{ include "olo.serviceaccount.name" . }}
automountServiceAccountToken: false
# Kubernetes would set OLO_GATEWAY_PORT and the like for each Service that it finds.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.global.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "olo.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Alive: the event loop answers, whoever else is away. Ready: all that the service needs is there. */}}
{{- define "olo.probes" -}}
{{- $tls := .root.Values.global.tls.existingSecret -}}
startupProbe:
  {{- include "olo.probe.live" . | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ ceil (divf .workload.startupSeconds 2) }}
livenessProbe:
  {{- include "olo.probe.live" . | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  {{- if $tls }}
  exec: {command: [/app/bin/healthy]}
  {{- else }}
  grpc: {port: {{ .facts.ports.grpc }}}
  {{- end }}
  periodSeconds: {{ ternary 10 3 (not (empty $tls)) }}
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Kubernetes asks over plain gRPC alone; with TLS it can only see whether the port is open. */}}
{{- define "olo.probe.live" -}}
{{- if .root.Values.global.tls.existingSecret -}}
tcpSocket: {port: {{ .facts.ports.grpc }}}
{{- else -}}
grpc: {port: {{ .facts.ports.grpc }}, service: live}
{{- end }}
{{- end }}

{{/* Makes the model directory on the disk, where it is not there yet. It appears whole or not at all, so that of several
     pods that do so at once the first is right and the others find it at their next start. */}}
{{- define "olo.fetch" -}}
{{- $fetch := .model.fetch }}{{ $directory := .model.directory -}}
- name: fetch
  image: {{ include "olo.image" (list .root .workload) }}
  imagePullPolicy: {{ .root.Values.global.image.pullPolicy }}
  command:
    - sh
    - -c
    - 'test -d "$0" || { mkdir -p "$TMPDIR" && exec python -m olo_llm_worker.model_directory "$@"; }'
    - {{ $directory | quote }}
    - {{ ternary "convert" "pull" (eq true $fetch.convert) }}
    - {{ $fetch.repository | quote }}
    - --output={{ $directory }}
    - --name={{ .model.id | default .model.name | replace "/" "-" | replace ":" "-" }}
    {{- with $fetch.revision }}
    - --revision={{ . }}
    {{- end }}
    {{- with $fetch.quantization }}
    - --quantization={{ . }}
    {{- end }}
  securityContext: {{ include "olo.container.security" . | fromYaml | toJson }}
  env:
    # What is fetched does not fit into /tmp.
    - {name: TMPDIR, value: /models/.fetching}
    - {name: HF_HOME, value: /tmp/hub}
    {{- with $fetch.tokenSecret }}
    - name: HF_TOKEN
      valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
    {{- end }}
  resources: {{ toJson .workload.resources }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: models, mountPath: /models}
{{- end }}

{{/* Resources, with the GPUs of a model among them. */}}
{{- define "olo.resources" -}}
{{- $resources := deepCopy .workload.resources -}}
{{- if and .model .model.gpu -}}
{{- $gpus := dict (.model.gpu.resource | default "nvidia.com/gpu") (.model.gpu.count | default 1 | int) -}}
{{- $_ := set $resources "limits" (mergeOverwrite (dict) ($resources.limits | default dict) $gpus) -}}
{{- end -}}
{{ toYaml $resources }}
{{- end }}

{{- define "olo.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /data}
{{- if and .model .root.Values.modelCache.enabled }}
- {name: models, mountPath: /models}
{{- end }}
{{- if .root.Values.global.tls.existingSecret }}
- {name: tls, mountPath: /etc/olo/tls, readOnly: true}
{{- end }}
{{- if .root.Values.global.payloads.existingClaim }}
- {name: payloads, mountPath: /payloads}
{{- end }}
{{- if .root.Values.global.payloads.keys.existingSecret }}
- {name: payload-keys, mountPath: /etc/olo/payload-keys, readOnly: true}
{{- end }}
{{- if eq .facts.service "gateway" }}
{{- if .root.Values.apiKeys.existingSecret }}
- {name: keys, mountPath: /etc/olo/keys, readOnly: true}
{{- end }}
{{- if .root.Values.files.existingClaim }}
- {name: files, mountPath: /files}
{{- end }}
{{- end }}
{{- with concat .root.Values.global.volumeMounts .workload.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "olo.volumes" -}}
{{- $values := .root.Values -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .workload.tmpSize }}}
- name: data
  {{- if not .facts.database }}
  emptyDir: {sizeLimit: {{ .workload.tmpSize }}}
  {{- else if $values.persistence.existingClaim }}
  persistentVolumeClaim: {claimName: {{ $values.persistence.existingClaim }}}
  {{- else if $values.persistence.enabled }}
  persistentVolumeClaim: {claimName: {{ include "olo.name" (list .root .facts.service) }}-data}
  {{- else }}
  emptyDir: {sizeLimit: {{ $values.persistence.size }}}
  {{- end }}
{{- if and .model $values.modelCache.enabled }}
- name: models
  persistentVolumeClaim: {claimName: {{ $values.modelCache.existingClaim | default (printf "%s-models" (include "olo.name" (list .root .facts.service))) }}}
{{- end }}
{{- with $values.global.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . }}{{ if $values.global.tls.callersDomain }}-{{ $.facts.service }}{{ end }}, defaultMode: 0440}
{{- end }}
{{- with $values.global.payloads.existingClaim }}
- name: payloads
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- with $values.global.payloads.keys.existingSecret }}
- name: payload-keys
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- if eq .facts.service "gateway" }}
{{- with $values.apiKeys.existingSecret }}
- name: keys
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with $values.files.existingClaim }}
- name: files
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end }}
{{- with concat $values.global.volumes .workload.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
