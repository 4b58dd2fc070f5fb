{{/* One server in one pod with a disk. Takes a dict: root, server (its name), ports, args, mount, environment, callers. */}}
{{- define "olo.bundled" -}}
{{- $root := .root }}{{ $values := get $root.Values.bundled .server -}}
{{- $name := include "olo.name" (list $root .server) }}{{ $labels := include "olo.labels" (list $root .server) -}}
{{- $selector := include "olo.selector" (list $root .server) -}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
spec:
  serviceName: {{ $name }}
  replicas: 1
  selector:
    matchLabels:
      {{- $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .server }}
          image: {{ $values.image }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          {{- with .args }}
          args: {{ toJson . }}
          {{- end }}
          securityContext: {{ include "olo.container.security" . | fromYaml | toJson }}
          {{- with .environment }}
          env:
            {{- range $variable, $value := . }}
            - {name: {{ $variable }}, value: {{ $value | quote }}}
            {{- end }}
          {{- end }}
          ports:
            {{- range $port, $number := .ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          {{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
          {{ $probe }}:
            tcpSocket: {port: {{ $.probe }}}
            periodSeconds: 5
            failureThreshold: {{ ternary 60 3 (eq $probe "startupProbe") }}
          {{- end }}
          resources: {{ toJson $values.resources }}
          volumeMounts:
            - {name: data, mountPath: {{ .mount }}}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $root.Values.bundled.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $values.size }}}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
spec:
  selector:
    {{- $selector | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}}
    {{- end }}
{{- if $root.Values.global.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- range .callers }}
        {{- include "olo.networkpolicy.peer" (list $root .) | nindent 8 }}
        {{- end }}
        {{- with $root.Values.bundled.callers }}{{ toYaml . | nindent 8 }}{{ end }}
      ports: [{port: {{ .probe }}}]
{{- end }}
{{- end }}
