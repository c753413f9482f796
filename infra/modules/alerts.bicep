// Alert rules on the app's events and requests, one per query `queries/alert-<name>.kql`.
//
// A query gives a row only while something is wrong, so every rule is "more than no row". Its name is also that of the
// section of docs/runbook.md that says what to do. A window is at least twice as long as the time between two looks,
// since rows take some minutes to arrive; a rule resolves by itself once its query gives no row any more. The longest
// window that Azure takes is two days (Terraform Registry, azurerm_monitor_scheduled_query_rules_alert_v2).

targetScope = 'resourceGroup'

@description('Region of the rules.')
param location string

@description('Tags of the rules.')
param tags object

@description('Resource id of the Log Analytics workspace that holds the tables.')
param workspaceId string

@description('Resource id of the Application Insights component, for whoever gets an alert.')
param applicationInsightsId string

@description('Resource id of the action group that an alert goes to.')
param actionGroupId string

@description('Where docs/runbook.md can be read, without an anchor.')
param runbook string

// `dimension` is the column of the query by which an alert is told apart; empty where it is one for all.
var alerts = [
  {
    name: 'possible-lockout'
    title: 'Drivers may be locked out'
    severity: 0
    every: 'PT5M'
    window: 'PT30M'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-possible-lockout.kql')
  }
  {
    name: 'app-not-configured'
    title: 'The app is not configured'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    dimension: ''
    query: loadTextContent('../queries/alert-app-not-configured.kql')
  }
  {
    name: 'storage-down'
    title: 'Storage is down'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    dimension: ''
    query: loadTextContent('../queries/alert-storage-down.kql')
  }
  {
    name: 'hooks-5xx'
    title: 'Web hooks are answered with 5xx'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    dimension: 'hook'
    query: loadTextContent('../queries/alert-hooks-5xx.kql')
  }
  {
    name: 'hook-authentication-failing'
    title: 'Hook authentication fails in bursts'
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
    dimension: ''
    query: loadTextContent('../queries/alert-hook-authentication-failing.kql')
  }
  {
    name: 'bodies-not-understood'
    title: 'Bodies of web hooks are not understood'
    severity: 1
    every: 'PT5M'
    window: 'PT30M'
    dimension: 'hook'
    query: loadTextContent('../queries/alert-bodies-not-understood.kql')
  }
  {
    name: 'login-refused'
    title: 'ZapCloud refuses the login'
    severity: 1
    every: 'PT5M'
    window: 'PT30M'
    dimension: ''
    query: loadTextContent('../queries/alert-login-refused.kql')
  }
  {
    name: 'app-not-running'
    title: 'The timers do not run'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    dimension: ''
    query: loadTextContent('../queries/alert-app-not-running.kql')
  }
  {
    name: 'app-partly-configured'
    title: 'A part of the app is not configured'
    severity: 2
    every: 'PT5M'
    window: 'PT30M'
    dimension: ''
    query: loadTextContent('../queries/alert-app-partly-configured.kql')
  }
  {
    name: 'stream-silent'
    title: 'A message stream is silent'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    dimension: 'stream'
    query: loadTextContent('../queries/alert-stream-silent.kql')
  }
  {
    name: 'rotation-failed'
    title: 'A rotation of credentials fails'
    severity: 2
    every: 'PT5M'
    window: 'PT30M'
    dimension: 'stream'
    query: loadTextContent('../queries/alert-rotation-failed.kql')
  }
  {
    name: 'rotation-not-moving'
    title: 'A rotation of credentials does not move'
    severity: 2
    every: 'PT5M'
    window: 'PT15M'
    dimension: 'stream'
    query: loadTextContent('../queries/alert-rotation-not-moving.kql')
  }
  {
    name: 'observations-missed'
    title: 'Observations do not come by message'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-observations-missed.kql')
  }
  {
    name: 'quarantine-growing'
    title: 'Quarantine grows'
    severity: 3
    every: 'PT30M'
    window: 'PT1H'
    dimension: ''
    query: loadTextContent('../queries/alert-quarantine-growing.kql')
  }
  {
    name: 'sessions-open-too-long'
    title: 'Sessions are open too long'
    severity: 3
    every: 'PT1H'
    window: 'PT3H'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-sessions-open-too-long.kql')
  }
  {
    name: 'sessions-contradicted'
    title: 'Sources contradict each other on a session'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-sessions-contradicted.kql')
  }
  {
    name: 'sessions-not-read'
    title: 'Finished sessions cannot be read from ZapCloud'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-sessions-not-read.kql')
  }
  {
    name: 'signature-invalid'
    title: 'The signature of a meter value is invalid'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    dimension: 'installation'
    query: loadTextContent('../queries/alert-signature-invalid.kql')
  }
  {
    name: 'backup-missing'
    title: 'A backup is missing'
    severity: 3
    every: 'PT1H'
    window: 'P2D'
    dimension: ''
    query: loadTextContent('../queries/alert-backup-missing.kql')
  }
  {
    name: 'upkeep-failing'
    title: 'The work of a timer keeps failing'
    severity: 3
    every: 'PT1H'
    window: 'PT6H'
    dimension: 'work'
    query: loadTextContent('../queries/alert-upkeep-failing.kql')
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in alerts: {
  name: 'zapbridge-${alert.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'zapbridge: ${alert.title}'
    description: '${alert.title}. What to do: ${runbook}#${alert.name}'
    enabled: true
    severity: alert.severity
    scopes: [
      workspaceId
    ]
    evaluationFrequency: alert.every
    windowSize: alert.window
    autoMitigate: true
    // The tables are empty in a workspace that was just made; the queries are checked before they are deployed.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: empty(alert.dimension) ? [] : [
            {
              name: alert.dimension
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        actionGroupId
      ]
      customProperties: {
        runbook: '${runbook}#${alert.name}'
        applicationInsights: applicationInsightsId
      }
    }
  }
}]
