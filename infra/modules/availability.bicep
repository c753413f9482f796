// Asks from outside whether the web hooks' site answers. Timers run on instances of their own (Microsoft Learn, "Azure
// Functions Flex Consumption plan hosting", per-function scaling), so no sign of life of theirs tells whether a driver
// would get an answer.
//
// The test looks from five places, the least that Microsoft recommends, from each every 15 minutes: on average once in
// three minutes, for a third of what every five minutes would cost. A place tries three times before it reports a
// failure (Microsoft Learn, "Application Insights availability tests").

param suffix string
param location string
param tags object

@description('Base URL of the hooks site.')
param url string

@description('Resource id of the Application Insights component that keeps the results.')
param applicationInsightsId string

@description('Resource id of the action group that the alert goes to.')
param actionGroupId string

@description('Where docs/runbook.md can be read, without an anchor.')
param runbook string

var testName = 'zapbridge-health-${suffix}'
var title = 'The app does not answer'

// For historical reasons an id does not always name its place (Azure/azure-quickstart-templates, dynamic-web-tests).
var places = [
  'emea-nl-ams-azr' // West Europe
  'emea-gb-db3-azr' // North Europe
  'emea-ru-msa-edge' // UK South
  'emea-se-sto-edge' // UK West
  'emea-fr-pra-edge' // France Central
]
var locations = [for place in places: {
  Id: place
}]

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: testName
  location: location
  tags: union(tags, {
    'hidden-link:${applicationInsightsId}': 'Resource'
  })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: testName
    Name: testName
    Description: 'The web hooks answer, are configured and have storage.'
    Enabled: true
    Kind: 'standard'
    Frequency: 900
    Timeout: 30
    RetryEnabled: true
    Locations: locations
    Request: {
      RequestUrl: '${url}/api/health'
      HttpVerb: 'GET'
      ParseDependentRequests: false
      FollowRedirects: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
    }
  }
}

// The window holds one look from each place.
resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'zapbridge-app-not-answering'
  location: 'global'
  tags: union(tags, {
    'hidden-link:${applicationInsightsId}': 'Resource'
    'hidden-link:${test.id}': 'Resource'
  })
  properties: {
    description: '${title}. What to do: ${runbook}#app-not-answering'
    severity: 0
    enabled: true
    scopes: [
      test.id
      applicationInsightsId
    ]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: applicationInsightsId
      failedLocationCount: 2
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
