// The workbook an operator looks at every morning. Its queries are the files of `queries/`; each looks at the range of
// time chosen at the top.

targetScope = 'resourceGroup'

@description('Region of the workbook.')
param location string

@description('Tags of the workbook.')
param tags object

@description('Resource id of the Log Analytics workspace that holds the tables.')
param workspaceId string

var workspaces = 'microsoft.operationalinsights/workspaces'

var timeRange = {
  type: 9
  name: 'timeRange'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: workspaces
    parameters: [
      {
        id: guid('zapbridge', 'timeRange')
        version: 'KqlParameterItem/1.0'
        name: 'timeRange'
        label: 'Range of time'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: [
            {
              durationMs: 3600000
            }
            {
              durationMs: 86400000
            }
            {
              durationMs: 604800000
            }
            {
              durationMs: 2592000000
            }
          ]
          allowCustom: true
        }
      }
    ]
  }
}

var panels = [
  {
    name: 'authorizations-per-hour'
    title: 'Decisions on drivers by the hour'
    visualization: 'timechart'
    query: loadTextContent('../queries/authorizations-per-hour.kql')
  }
  {
    name: 'authorizations'
    title: 'Starts by outcome, with latency in ms (50, 95 and 99 of 100 are faster)'
    visualization: 'table'
    query: loadTextContent('../queries/authorizations.kql')
  }
  {
    name: 'hook-answers'
    title: 'Answers of every hook, with latency in ms'
    visualization: 'table'
    query: loadTextContent('../queries/hook-answers.kql')
  }
  {
    name: 'lockout-signs'
    title: 'Signs of a lockout'
    visualization: 'table'
    query: loadTextContent('../queries/lockout-signs.kql')
  }
  {
    name: 'energy-per-day'
    title: 'Energy in kWh by the day'
    visualization: 'barchart'
    query: loadTextContent('../queries/energy-per-day.kql')
  }
  {
    name: 'sessions-per-day'
    title: 'Sessions and energy by day and installation'
    visualization: 'table'
    query: loadTextContent('../queries/sessions-per-day.kql')
  }
  {
    name: 'sessions-read'
    title: 'Finished sessions read from ZapCloud by installation'
    visualization: 'table'
    query: loadTextContent('../queries/sessions-read.kql')
  }
  {
    name: 'signatures'
    title: 'Sessions whose signed meter value is invalid'
    visualization: 'table'
    query: loadTextContent('../queries/signatures.kql')
  }
  {
    name: 'chargers'
    title: 'Chargers by installation'
    visualization: 'table'
    query: loadTextContent('../queries/chargers.kql')
  }
  {
    name: 'charger-faults'
    title: 'Chargers at fault'
    visualization: 'table'
    query: loadTextContent('../queries/charger-faults.kql')
  }
  {
    name: 'installation-lag'
    title: 'Age of the newest observation of each installation, by message or REST, and how many no message brought'
    visualization: 'table'
    query: loadTextContent('../queries/installation-lag.kql')
  }
  {
    name: 'stream-lag'
    title: 'Age of the newest observation in seconds, by stream'
    visualization: 'timechart'
    query: loadTextContent('../queries/stream-lag.kql')
  }
  {
    name: 'streams'
    title: 'What the streams brought'
    visualization: 'table'
    query: loadTextContent('../queries/streams.kql')
  }
  {
    name: 'credentials'
    title: 'Where credentials stand'
    visualization: 'table'
    query: loadTextContent('../queries/credentials.kql')
  }
  {
    name: 'credential-history'
    title: 'Rotations, logins and hook credentials'
    visualization: 'table'
    query: loadTextContent('../queries/credential-history.kql')
  }
  {
    name: 'quarantine'
    title: 'Quarantine: set aside and replayed'
    visualization: 'table'
    query: loadTextContent('../queries/quarantine.kql')
  }
  {
    name: 'backups'
    title: 'Backups: when, how many rows and how large'
    visualization: 'table'
    query: loadTextContent('../queries/backups.kql')
  }
  {
    name: 'upkeep'
    title: 'Timers that fail or rest, and erasures that cannot go on'
    visualization: 'table'
    query: loadTextContent('../queries/upkeep.kql')
  }
  {
    name: 'warnings'
    title: 'All warnings'
    visualization: 'table'
    query: loadTextContent('../queries/warnings.kql')
  }
]

var charts = [for panel in panels: {
  type: 3
  name: panel.name
  content: {
    version: 'KqlItem/1.0'
    title: panel.title
    noDataMessage: 'Nothing in this range of time.'
    query: panel.query
    size: 0
    visualization: panel.visualization
    queryType: 0
    resourceType: workspaces
    crossComponentResources: [
      workspaceId
    ]
    timeContextFromParameter: 'timeRange'
  }
}]

// A variable, so that the compiled template holds an object here and not one long expression.
var content = {
  version: 'Notebook/1.0'
  items: concat([
    timeRange
  ], charts)
  fallbackResourceIds: [
    workspaceId
  ]
  '$schema': 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json'
}

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(resourceGroup().id, 'zapbridge')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'zapbridge'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string(content)
  }
}
