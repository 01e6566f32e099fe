export { HistoryProjectorModule } from './history-projector.module.js';
export { History } from './history.service.js';
